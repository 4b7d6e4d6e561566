// Motion trails: where things go between two keyframes, drawn over the player's picture.

const trails = new Map(); // by what they depend on; null until Python answers
const trailsAsked = []; // in the order of the answers
let trailsShown = false;

/** The pair that a frame lies in, and what its trails depend on. */
function trailsKey(frame) {
  const pair = view.pairs.find((each) => samePair(each.pair, frame.pair));
  if (!pair) return null;
  const own = view.frames.filter((each) => each.own && samePair(each.pair, pair.pair)).map((each) => each.picture);
  const order = view.style.arcs ? view.keyframes.map((keyframe) => keyframe.number) : [];
  return JSON.stringify([pair.pair, pair.timing.t, pair.guides, own, order, view.style.method, view.style.cuts]);
}

function toggleTrails(on) {
  trailsShown = on;
  paint();
}

/** Trails have come from Python, or a sentence that says why there are none. */
function receivedTrails(found) {
  trails.set(trailsAsked.shift(), found || []);
  paint();
}

function paintTrails(pen, frame) {
  const key = trailsShown && trailsKey(frame);
  if (!key) return;
  if (!trails.has(key)) {
    if (playing) return;
    trails.set(key, null);
    trailsAsked.push(key);
    act({ do: 'trails', pair: frame.pair });
  }
  const thick = pen.canvas.width / (pen.canvas.clientWidth || pen.canvas.width);
  const dot = ([x, y], radius, colour) => {
    pen.beginPath();
    pen.arc(x, y, radius * thick, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
  };
  for (const { places, lines, dots } of trails.get(key) || []) {
    for (const [width, colour] of [[3, 'rgb(255 255 255 / 0.7)'], [1.3, '#1c7ed6']]) {
      pen.lineWidth = width * thick;
      pen.strokeStyle = colour;
      for (const line of lines) {
        pen.beginPath();
        line.forEach(([x, y]) => pen.lineTo(x, y));
        pen.stroke();
      }
    }
    for (const points of dots) for (const point of points) dot(point, 1.8, '#1c7ed6');
    const here = frame.place === null ? lines.map((line) => line[0]) : dots[places.indexOf(frame.place)] || [];
    for (const point of here) dot(point, 3, '#d9480f');
  }
}
