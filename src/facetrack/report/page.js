"use strict";
// The timeline, its keyboard, and the player. All data come with the page; nothing is fetched.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const make = (kind, className, parent) => {
    const element = document.createElement(kind);
    element.className = className;
    parent.append(element);
    return element;
  };

  // h:mm:ss, with as many digits after the point as are asked for.
  const clock = (seconds, digits = 1) => {
    const ticks = Math.round(seconds * 10 ** digits);
    const whole = Math.floor(ticks / 10 ** digits);
    const two = (n) => String(n).padStart(2, "0");
    const part = digits ? "." + String(ticks % 10 ** digits).padStart(digits, "0") : "";
    return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}${part}`;
  };

  // Pictures of people are in the page once, in their cards.
  const picture = (person) => find(`face-${person}`)?.src;
  for (const image of document.querySelectorAll("img[data-face]")) {
    const src = picture(image.dataset.face);
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
    const who = make("div", "who", line);
    if (src) Object.assign(make("img", "", who), { src, alt: "" });
    make("span", "", who).textContent = name;
    who.title = name;
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

  const spans = []; // of each row, in order of time: {button, person, start, end}
  for (const [at, person] of data.people.entries()) {
    const lane = row("person", person.label, picture(person.id));
    lane.dataset.person = person.id;
    spans[at] = [];
  }
  const lanes = scroller.querySelectorAll(".person .lane");
  for (const [at, startFrame, endFrame, start, end] of data.spans) {
    const button = make("button", `span c${at % COLOURS}`, lanes[at]);
    const said = `${data.people[at].label}, ${clock(start)} to ${clock(end)}`;
    Object.assign(button.dataset, { startFrame, endFrame });
    Object.assign(button, { tabIndex: -1, title: said, ariaLabel: `${said}; play` });
    button.style.left = across(start);
    button.style.width = `${(100 * (end - start)) / length}%`;
    const span = { button, at, person: data.people[at], start, end };
    spans[at].push(span);
    button.span = span;
  }

  // ---- zoom

  const MOST_PIXELS = 8e6; // browsers draw nothing much further out
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
    scroller.classList.toggle("dense", laneWidth() / data.cuts.length < 8);
    scroller.scrollLeft = held * laneWidth() - x;
    drawTimes();
  };

  // Only the times in view are there.
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
  zoomTo(1); // at once: an observer's first word comes after a frame without widths
  new ResizeObserver(() => zoomTo(zoom)).observe(scroller);

  // ---- keyboard: the timeline is one stop of the Tab key, arrows go on from there

  let stop = spans.find((row) => row.length)?.[0];
  if (stop) stop.button.tabIndex = 0;

  const goTo = (span) => {
    if (!span) return;
    stop.button.tabIndex = -1;
    stop = span;
    stop.button.tabIndex = 0;
    stop.button.focus();
  };
  // The span of the next row that has any, nearest in time.
  const nearest = (span, by) => {
    let at = span.at + by;
    while (spans[at] && !spans[at].length) at += by;
    const away = (other) => Math.max(other.start - span.start, span.start - other.end, 0);
    return spans[at]?.reduce((best, other) => (away(other) < away(best) ? other : best));
  };
  const moves = {
    ArrowRight: (span) => spans[span.at][spans[span.at].indexOf(span) + 1],
    ArrowLeft: (span) => spans[span.at][spans[span.at].indexOf(span) - 1],
    ArrowDown: (span) => nearest(span, 1),
    ArrowUp: (span) => nearest(span, -1),
    Home: (span) => spans[span.at][0],
    End: (span) => spans[span.at].at(-1),
  };
  const zooms = { "+": 2, "=": 2, "-": 0.5 };
  scroller.addEventListener("keydown", (event) => {
    const span = event.target.span;
    if (event.ctrlKey || event.metaKey || event.altKey || !span) return;
    if (moves[event.key]) goTo(moves[event.key](span));
    else if (zooms[event.key]) {
      const middle = ((span.start + span.end) / 2 - data.start) / length;
      zoomTo(zoom * zooms[event.key], middle * laneWidth() - scroller.scrollLeft);
    } else if (event.key === "0") zoomTo(1);
    else return;
    event.preventDefault();
  });
  scroller.addEventListener("click", (event) => {
    if (!event.target.span) return;
    goTo(event.target.span);
    play(event.target.span);
  });

  // ---- the player

  const player = find("player");
  const video = player.querySelector("video");
  const choices = [...player.querySelectorAll("[data-from]")];
  const say = (line) => (find("said").textContent = line);
  let playing = null; // the span
  let from = "source"; // or "clip": what was chosen last
  let until = Infinity;

  // Where the moment begins, and where it ends, in each file that shows it.
  const ways = (span) => {
    const found = {};
    if (data.source.url) found.source = { url: data.source.url, at: span.start, until: span.end };
    for (const clip of data.clips) {
      if (found.clip || clip.person !== span.person.id) continue;
      const piece = clip.pieces.find(([start, end]) => start < span.end && end >= span.start);
      if (!piece) continue;
      const [start, end, at] = piece;
      const shift = at - start;
      const last = end < span.end ? Infinity : span.end + shift;
      found.clip = { url: clip.url, at: Math.max(span.start, start) + shift, until: last };
    }
    return found;
  };

  const play = (span) => {
    const found = ways(span);
    const way = found[from] ?? found.source ?? found.clip;
    playing?.button.classList.remove("now");
    playing = span;
    span.button.classList.add("now");
    player.hidden = false;
    document.body.classList.add("playing");
    find("playing").textContent = `${span.person.label}, ${clock(span.start)} to ${clock(span.end)}`;
    find("choice").hidden = !(found.source && found.clip);
    for (const choice of choices) choice.ariaPressed = String(found[choice.dataset.from] === way);
    video.hidden = !way;
    say(way ? "" : "Neither the video nor a clip of this moment lies beside this page.");
    if (!way) return video.pause();
    until = Infinity;
    const begin = () => {
      if (!video.videoWidth) return unplayable();
      // A thousandth later: rounding must not show the frame before.
      video.currentTime = way.at + 0.001;
      until = way.until;
      video.play().catch((error) => {
        if (error.name === "NotAllowedError") say("Press play: this browser does not begin by itself.");
      });
    };
    if (video.getAttribute("src") !== way.url) video.src = way.url;
    video.onloadedmetadata = begin;
    if (video.readyState >= video.HAVE_METADATA) begin();
  };

  const unplayable = () => {
    const url = video.getAttribute("src");
    const { name, codec } = data.source;
    const file = url === data.source.url ? `${name} (${codec})` : url;
    say(`This browser cannot play ${file}, or it is no longer there; try another player.`);
  };
  video.onerror = unplayable;
  video.ontimeupdate = () => {
    if (video.currentTime < until) return;
    until = Infinity; // who goes on from here is not stopped again
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
