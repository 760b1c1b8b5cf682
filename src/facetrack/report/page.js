"use strict";
// The timeline, its keyboard control, and the player. All data are in the page; nothing is fetched.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const make = (kind, className, parent) => {
    const element = document.createElement(kind);
    element.className = className;
    parent.append(element);
    return element;
  };

  // h:mm:ss, with this many digits after the decimal point.
  const clock = (seconds, digits = 1) => {
    const ticks = Math.round(seconds * 10 ** digits);
    const whole = Math.floor(ticks / 10 ** digits);
    const two = (n) => String(n).padStart(2, "0");
    const part = digits ? "." + String(ticks % 10 ** digits).padStart(digits, "0") : "";
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${part}`;
  };

  // Each person's thumbnail is in the page once, in the person's panel.
  const thumbnail = (person) => find(`face-${person}`)?.src;
  for (const image of document.querySelectorAll("img[data-face]")) {
    const src = thumbnail(image.dataset.face);
    if (src) image.src = src;
    else image.remove();
  }

  // ---- the rows

  const COLOURS = 12;
  const scroller = find("scroller");
  const length = Math.max(data.end - data.start, 1e-6);
  const across = (seconds) => `${(100 * (seconds - data.start)) / length}%`;

  const rows = make("div", "rows", scroller);
  const cuts = make("div", "cuts", rows);
  for (const cut of data.cuts.slice(1)) make("div", "cut", cuts).style.left = across(cut);

  const row = (className, name, src) => {
    const line = make("div", `row ${className}`, rows);
    const title = make("div", "row-label", line);
    if (src) Object.assign(make("img", "", title), { src, alt: "" });
    make("span", "", title).textContent = name;
    title.title = name;
    return make("div", "lane", line);
  };

  const times = row("times", "");
  const shots = row("shots", data.cuts.length === 1 ? "1 shot" : `${data.cuts.length} shots`);
  data.cuts.forEach((from, i) => {
    const shot = make("div", "shot", shots);
    const to = data.cuts[i + 1] ?? data.end;
    shot.style.left = across(from);
    shot.style.width = `${(100 * (to - from)) / length}%`;
    shot.title = `shot ${i + 1}, ${clock(from)} to ${clock(to)}`;
  });

  const intervals = []; // of each row, in order of time: {button, at, person, start, end}
  for (const [at, person] of data.people.entries()) {
    const lane = row("person", person.label, thumbnail(person.id));
    lane.dataset.person = person.id;
    intervals[at] = [];
  }
  const lanes = scroller.querySelectorAll(".person .lane");
  for (const [at, startFrame, endFrame, start, end] of data.intervals) {
    const button = make("button", `interval c${at % COLOURS}`, lanes[at]);
    const title = `${data.people[at].label}, ${clock(start)} to ${clock(end)}`;
    Object.assign(button.dataset, { startFrame, endFrame });
    Object.assign(button, { tabIndex: -1, title, ariaLabel: `${title}; play` });
    button.style.left = across(start);
    button.style.width = `${(100 * (end - start)) / length}%`;
    const interval = { button, at, person: data.people[at], start, end };
    intervals[at].push(interval);
    button.interval = interval;
  }

  // ---- zoom

  const MOST_PIXELS = 8e6; // browsers draw nothing much wider
  const PIXELS_A_SECOND = 400;
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
  let zoom = 1;

  const labelWidth = () => times.previousElementSibling.offsetWidth;
  const viewWidth = () => Math.max(scroller.clientWidth - labelWidth(), 50);
  const laneWidth = () => viewWidth() * zoom;

  const zoomTo = (wanted, x = viewWidth() / 2) => {
    const held = (scroller.scrollLeft + x) / laneWidth();
    const most = Math.min(Math.max(length * PIXELS_A_SECOND, viewWidth()), MOST_PIXELS) / viewWidth();
    zoom = Math.min(Math.max(wanted, 1), most);
    scroller.style.setProperty("--lane", `${laneWidth()}px`);
    scroller.classList.toggle("crowded", laneWidth() / data.cuts.length < 8);
    scroller.scrollLeft = held * laneWidth() - x;
    drawTimes();
  };

  // Only the times in view are in the page.
  const drawTimes = () => {
    const second = laneWidth() / length;
    const step = STEPS.find((s) => s * second >= 76) ?? STEPS.at(-1);
    const from = data.start + scroller.scrollLeft / second;
    const to = Math.min(from + viewWidth() / second, data.end);
    times.replaceChildren();
    for (let i = Math.floor(from / step); i * step < to; i++) {
      if (i * step < data.start) continue;
      const tick = make("span", "tick", times);
      tick.textContent = clock(i * step, step < 1 ? 1 : 0);
      tick.style.left = across(i * step);
    }
    find("in-view").textContent = `${clock(from)} to ${clock(to)}`;
  };

  find("zoom-in").onclick = () => zoomTo(zoom * 2);
  find("zoom-out").onclick = () => zoomTo(zoom / 2);
  find("zoom-all").onclick = () => zoomTo(1);
  scroller.addEventListener("scroll", () => requestAnimationFrame(drawTimes), { passive: true });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.target.closest(".times")) return;
    event.preventDefault();
    const x = event.clientX - scroller.getBoundingClientRect().left - labelWidth();
    zoomTo(zoom * Math.exp(-event.deltaY / 300), x);
  }, { passive: false });
  zoomTo(1); // at once: the observer is first called after a frame without widths
  new ResizeObserver(() => zoomTo(zoom)).observe(scroller);

  // ---- keyboard: the Tab key stops once at the timeline, the arrow keys move within it

  let stop = intervals.find((row) => row.length)?.[0];
  if (stop) stop.button.tabIndex = 0;

  const goTo = (interval) => {
    if (!interval) return;
    stop.button.tabIndex = -1;
    stop = interval;
    stop.button.tabIndex = 0;
    stop.button.focus();
  };
  // The interval nearest in time in the next row that has any.
  const nearest = (interval, by) => {
    let at = interval.at + by;
    while (intervals[at] && !intervals[at].length) at += by;
    const { start } = interval;
    const distance = (other) => Math.max(other.start - start, start - other.end, 0);
    return intervals[at]?.reduce((best, other) => (distance(other) < distance(best) ? other : best));
  };
  const rowOf = (interval) => intervals[interval.at];
  const moves = {
    ArrowRight: (interval) => rowOf(interval)[rowOf(interval).indexOf(interval) + 1],
    ArrowLeft: (interval) => rowOf(interval)[rowOf(interval).indexOf(interval) - 1],
    ArrowDown: (interval) => nearest(interval, 1),
    ArrowUp: (interval) => nearest(interval, -1),
    Home: (interval) => rowOf(interval)[0],
    End: (interval) => rowOf(interval).at(-1),
  };
  const zooms = { "+": 2, "=": 2, "-": 0.5 };
  scroller.addEventListener("keydown", (event) => {
    const interval = event.target.interval;
    if (event.ctrlKey || event.metaKey || event.altKey || !interval) return;
    if (moves[event.key]) goTo(moves[event.key](interval));
    else if (zooms[event.key]) {
      const middle = ((interval.start + interval.end) / 2 - data.start) / length;
      zoomTo(zoom * zooms[event.key], middle * laneWidth() - scroller.scrollLeft);
    } else if (event.key === "0") zoomTo(1);
    else return;
    event.preventDefault();
  });
  scroller.addEventListener("click", (event) => {
    const interval = event.target.interval;
    if (!interval) return;
    goTo(interval);
    play(interval);
  });

  // ---- the player

  const player = find("player");
  const video = player.querySelector("video");
  const choices = [...player.querySelectorAll("[data-from]")];
  const showMessage = (text) => (find("message").textContent = text);
  let playing = null; // the interval
  let from = "source"; // or "clip": the last choice
  let until = Infinity;

  // Where the interval begins and ends in each file that shows it.
  const placesOf = (interval) => {
    const found = {};
    if (data.source.url) found.source = { url: data.source.url, at: interval.start, until: interval.end };
    for (const clip of data.clips) {
      if (found.clip || clip.person !== interval.person.id) continue;
      const part = clip.parts.find(([start, end]) => start < interval.end && end >= interval.start);
      if (!part) continue;
      const [start, end, at] = part;
      const shift = at - start;
      const last = end < interval.end ? Infinity : interval.end + shift;
      found.clip = { url: clip.url, at: Math.max(interval.start, start) + shift, until: last };
    }
    return found;
  };

  const play = (interval) => {
    const found = placesOf(interval);
    const place = found[from] ?? found.source ?? found.clip;
    playing?.button.classList.remove("now");
    playing = interval;
    interval.button.classList.add("now");
    player.hidden = false;
    document.body.classList.add("playing");
    const { person, start, end } = interval;
    find("playing").textContent = `${person.label}, ${clock(start)} to ${clock(end)}`;
    find("choice").hidden = !(found.source && found.clip);
    for (const choice of choices) choice.ariaPressed = String(found[choice.dataset.from] === place);
    video.hidden = !place;
    showMessage(place ? "" : "Neither the video nor a clip of this interval was found from this page.");
    if (!place) return video.pause();
    until = Infinity;
    const begin = () => {
      if (!video.videoWidth) return unplayable();
      // A millisecond later, so that rounding does not show the frame before.
      video.currentTime = place.at + 0.001;
      until = place.until;
      video.play().catch((error) => {
        if (error.name === "NotAllowedError") showMessage("Press play: this browser does not start videos by itself.");
      });
    };
    if (video.getAttribute("src") !== place.url) video.src = place.url;
    video.onloadedmetadata = begin;
    if (video.readyState >= video.HAVE_METADATA) begin();
  };

  const unplayable = () => {
    const url = video.getAttribute("src");
    const { name, codec } = data.source;
    const file = url === data.source.url ? `${name} (${codec})` : url;
    showMessage(`This browser cannot play ${file}, or the file is gone. Try another player.`);
  };
  video.onerror = unplayable;
  video.ontimeupdate = () => {
    if (video.currentTime < until) return;
    until = Infinity; // playing on from here does not stop again
    video.pause();
  };
  for (const choice of choices) {
    choice.onclick = () => {
      from = choice.dataset.from;
      play(playing);
    };
  }
  const close = () => {
    video.pause();
    player.hidden = true;
    document.body.classList.remove("playing");
    playing?.button.classList.remove("now");
    stop?.button.focus();
  };
  find("close").onclick = close;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !player.hidden) close();
  });
})();
