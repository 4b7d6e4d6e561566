// Where guides are drawn: the first keyframe, the last one as an onion skin, and the guides above.

const HUES = ['#d9480f', '#1c7ed6', '#2b8a3e', '#9c36b5', '#b08900', '#0b7285'];
const MARGIN = 0.06; // around the picture, of its size, for what leaves it
const CLICKS = { points: [1, 1], bones: [2, 2] }; // in the first keyframe, in the last

let tool = null; // the kind of guide that is being drawn
let lasso = null; // the region whose path is missing
let clicked = []; // points so far
let stroke = null; // the line under a pressed pointer
let held = null; // the handle under a pressed pointer
let onionGuides = true;
let guideStage = null;
let edited = {}; // the guides that are shown; the same as in the view, but for what Python has not answered

function draw(tag, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A line that is seen on every drawing. */
const line = (tag, colour, attributes) => [
  draw(tag, { ...attributes, class: 'casing' }),
  draw(tag, { ...attributes, class: 'line', stroke: colour }),
];
const polygon = (points, colour, more = {}) => line('polygon', colour, { points: points.join(' '), ...more });

function useTool(kind) {
  [tool, lasso, clicked, stroke] = [kind, null, [], null];
  renderGuides();
}

function makeGuideStage() {
  guideStage = draw('svg', { class: 'guide-stage', role: 'group', 'aria-label': 'Guides on the first keyframe', tabindex: -1 });
  guideStage.addEventListener('pointerdown', pressed);
  guideStage.addEventListener('pointermove', dragged);
  guideStage.addEventListener('pointerup', () => released(true));
  guideStage.addEventListener('pointercancel', () => released(false));
  guideStage.addEventListener('dblclick', () => lasso && finishPath());
  new ResizeObserver(paintGuides).observe(guideStage); // handles are as large at every size
  return guideStage;
}

/** The pointer in pixels of the keyframes; a path may leave the picture a little. */
function pixel(event, inside) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(guideStage.getScreenCTM().inverse());
  const [height, width] = view.size;
  const by = inside ? 0 : MARGIN;
  return rounded([clamp(x, -by * width, (1 + by) * width - 1), clamp(y, -by * height, (1 + by) * height - 1)]);
}

function pressed(event) {
  const handle = event.target.handle;
  if (event.button || (!tool && !handle)) return;
  event.preventDefault();
  guideStage.setPointerCapture(event.pointerId);
  if (handle && !tool) held = handle;
  else stroke = [pixel(event, !lasso || !clicked.length)];
}

function dragged(event) {
  if (held) held.move(pixel(event, held.inside));
  else if (stroke) stroke.push(pixel(event, !lasso));
  else return;
  paintGuides();
}

function released(kept) {
  const [line, handle] = [stroke, held];
  [stroke, held] = [null, null];
  if (handle && kept) setGuides(edited);
  else if (line && kept) finishStroke(line);
  else paintGuides();
}

function finishStroke(line) {
  const long = Math.hypot(...view.size);
  const far = Math.max(...line.map((point) => apart(point, line[0])));
  if (CLICKS[tool]) addClick(line[line.length - 1]);
  else if (!lasso) {
    const corners = simplified(line, 0.003 * long);
    if (corners.length > 3 && far > 0.01 * long) lasso = corners;
  } else if (far > 0.02 * long) {
    clicked = [...clicked, ...simplified(line, 0.015 * long)];
    finishPath();
    return;
  } else if (!clicked.length || apart(clicked[clicked.length - 1], line[0]) > 0.01 * long) clicked.push(line[0]);
  renderGuides();
}

function finishPath() {
  if (clicked.length < 2) return;
  addGuide('regions', { mask: lasso, bezier: smooth(clicked) });
}

function addClick(point) {
  const [first, last] = CLICKS[tool];
  clicked.push(point);
  if (clicked.length < first + last) return;
  const [one, other] = [clicked.slice(0, first), clicked.slice(first)];
  addGuide(tool, tool === 'points' ? { first: one[0], last: other[0] } : { first: one, last: other });
}

function addGuide(kind, guide) {
  edited[kind] = [...(edited[kind] || []), guide];
  setGuides(edited);
  useTool(null);
}

/** Every guide of the pair: its kind, its place in the list of that kind, and its colour. */
function guidesInOrder() {
  return Object.keys(GUIDE_NAMES)
    .flatMap((kind) => (edited[kind] || []).map((guide, number) => ({ kind, number, guide })))
    .map((each, index) => ({ ...each, colour: HUES[index % HUES.length] }));
}

/** The points of a guide that can be moved. */
function handlesOf({ kind, guide }) {
  if (kind === 'regions') return knots(guide).map((knot, number) => ({ ...knot, inside: !number }));
  const moved = (list, key) => ({ point: list[key], inside: true, move: (to) => { list[key] = to; } });
  if (kind === 'points') return ['first', 'last'].map((key) => moved(guide, key));
  if (kind === 'bones') return [guide.first, guide.last].flatMap((ends) => [0, 1].map((end) => moved(ends, end)));
  return [];
}

function regionShapes(region, colour, t) {
  const curve = curveOf(region);
  const [start, end] = [curve[0], curve[curve.length - 1]];
  const there = `translate(${end}) rotate(${region.rotation || 0}) scale(${region.scale ?? 1}) translate(${start.map((value) => -value)})`;
  const path = draw('path', { d: curveText(region) });
  const dots = t.map((each) => path.getPointAtLength(path.getTotalLength() * share(region.spacing, each)));
  return [
    ...(typeof region.mask === 'string' ? [] : [...polygon(region.mask, colour), ...polygon(region.mask_last || region.mask, colour, { transform: region.mask_last ? null : there, 'stroke-dasharray': '4 4' })]),
    ...line('path', colour, { d: curveText(region) }),
    ...dots.map(({ x, y }) => draw('circle', { cx: x, cy: y, r: size(2.6), fill: '#fff', stroke: colour, 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke' })),
  ];
}

function shapesOf({ kind, guide, colour }, t) {
  if (kind === 'regions') return regionShapes(guide, colour, t);
  if (kind === 'points') return line('path', colour, { d: `M${guide.first} L${guide.last}`, 'stroke-dasharray': '4 4' });
  if (kind === 'bones') return [...line('path', colour, { d: `M${guide.first.join(' ')}` }), ...line('path', colour, { d: `M${guide.last.join(' ')}`, 'stroke-dasharray': '4 4' })];
  return polygon(guide.mask, colour, { 'stroke-dasharray': '1 5' });
}

/** So many pixels of the screen, in pixels of the keyframes. */
const size = (pixels) => pixels / (guideStage.getScreenCTM()?.a || 1);

function handleShape(handle, each, number) {
  const label = `${guideName(each)}, point ${number + 1}: the arrow keys move it`;
  const made = draw('circle', {
    cx: handle.point[0], cy: handle.point[1], r: size(6.5), class: 'handle', fill: number ? each.colour : '#fff', stroke: number ? '#fff' : each.colour,
    tabindex: 0, role: 'button', 'aria-label': label, 'data-key': `handle${each.kind}${each.number}.${number}`,
  });
  made.handle = handle;
  made.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    handle.move([handle.point[0] + by[0] * far, handle.point[1] + by[1] * far]);
    setGuides(edited);
    paintGuides();
  });
  return made;
}

/** Draw the stage anew; the focus stays where it was. */
function paintGuides() {
  const pair = guidesOpen && guidedPair();
  if (!pair) return;
  const [height, width] = view.size;
  const [first, last] = pair.pair.map((number) => view.keyframes.find((keyframe) => keyframe.number === number));
  const inLast = CLICKS[tool] && clicked.length >= CLICKS[tool][0];
  const picture = (keyframe, opacity) => draw('image', { href: large(keyframe.picture), width, height, opacity });
  const focused = guideStage.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  guideStage.setAttribute('viewBox', `${-MARGIN * width} ${-MARGIN * height} ${(1 + 2 * MARGIN) * width} ${(1 + 2 * MARGIN) * height}`);
  guideStage.classList.toggle('busy', Boolean(tool));
  const all = guidesInOrder();
  const begun = [...clicked, ...(stroke && !CLICKS[tool] ? stroke : [])];
  guideStage.replaceChildren(
    draw('rect', { width, height, fill: '#fff' }),
    picture(inLast ? last : first),
    ...(onionGuides && !inLast ? [picture(last, 0.35)] : []),
    ...all.flatMap((each) => shapesOf(each, pair.timing.t)),
    ...(lasso ? polygon(lasso, HUES[all.length % HUES.length]) : []),
    ...(begun.length > 1 ? line('polyline', HUES[all.length % HUES.length], { points: begun.join(' ') }) : []),
    ...clicked.map(([cx, cy]) => draw('circle', { cx, cy, r: size(4), fill: HUES[all.length % HUES.length] })),
    ...(tool ? [] : all.flatMap((each) => handlesOf(each).map((handle, number) => handleShape(handle, each, number)))),
  );
  if (focused) guideStage.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
