// Curves of guides, and points on them. Points are [x, y] in pixels of the keyframes.

const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const rounded = ([x, y]) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10];

/** Fewer points, none of the others further away than `most` (Ramer, Douglas, Peucker). */
function simplified(points, most) {
  if (points.length < 3) return points;
  const [a, b] = [points[0], points[points.length - 1]];
  const long = apart(a, b);
  const away = ([x, y]) => (long ? Math.abs((b[0] - a[0]) * (a[1] - y) - (a[0] - x) * (b[1] - a[1])) / long : apart(a, [x, y]));
  let far = 0;
  points.forEach((point, number) => { if (away(point) > away(points[far])) far = number; });
  if (!far || away(points[far]) <= most) return [a, b];
  return [...simplified(points.slice(0, far + 1), most), ...simplified(points.slice(far), most).slice(1)];
}

/** A smooth curve through points (Catmull-Rom), as cubic Bézier curves one after the other. */
function smooth(points) {
  const at = (number) => points[clamp(number, 0, points.length - 1)];
  const beside = (number, sign) => at(number).map((value, axis) => value + (sign * (at(number + 1)[axis] - at(number - 1)[axis])) / 6);
  return points.flatMap((point, number) => (number ? [beside(number - 1, 1), beside(number, -1), point] : [point])).map(rounded);
}

const curveOf = ({ bezier, path }) => bezier || path;

/** The curve as an SVG path. */
function curveText({ bezier, path }) {
  const [first, ...rest] = bezier || path;
  return `M${first} ${bezier ? 'C' : 'L'}${rest.join(' ')}`;
}

/** Points that lie on the curve, each with what moves it: a point of a Bézier curve takes its tangents along. */
function knots(region) {
  const curve = curveOf(region);
  const [every, beside] = region.bezier ? [3, 1] : [1, 0];
  return curve.flatMap((point, number) => (number % every ? [] : [{
    point,
    move: (to) => {
      const by = [to[0] - curve[number][0], to[1] - curve[number][1]];
      for (let each = Math.max(number - beside, 0); each <= Math.min(number + beside, curve.length - 1); each += 1) {
        curve[each] = rounded([curve[each][0] + by[0], curve[each][1] + by[1]]);
      }
    },
  }]));
}

/** Which share of a guide's way is done at t; as in Python. */
function share(spacing, t) {
  if (spacing === 'ease_in') return t ** 2;
  if (spacing === 'ease_out') return 1 - (1 - t) ** 2;
  if (spacing === 'ease_in_out') return t ** 2 * (3 - 2 * t);
  if (!Array.isArray(spacing)) return t;
  const chart = [0, ...spacing, 1];
  const place = t * (chart.length - 1);
  const before = Math.min(Math.floor(place), chart.length - 2);
  return chart[before] + (place - before) * (chart[before + 1] - chart[before]);
}
