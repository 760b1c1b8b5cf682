"""Quality of faces."""

import numpy as np

from facetrack.recognition.quality import pose_quality
from made.simple_faces import box, faces


def test_the_pose_of_each_face_is_judged_for_itself():
    found = faces(box(0), box(0), box(0), (0, 0, 200, 240))
    points = found.landmarks.copy()
    points[1, 2] = points[1, 0]  # the nose before an eye
    points[2, 1] = points[2, 0]  # one eye behind the other
    half = 50 / 120
    expected = [half * 0.99, half * 0.25 * 0.99, half * 0.25 * 0.99, 0.99]
    np.testing.assert_allclose(pose_quality(found.boxes, points, found.scores), expected, rtol=1e-6)
