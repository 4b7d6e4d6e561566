// The player: a canvas, its buttons, and the film of all drawings.

const loaded = new Map(); // pictures that the browser has, by name
let playing = false;
let onion = false;
let timer = null;
let player = null;

function pictureOf(name) {
  if (!loaded.has(name)) {
    const image = new Image();
    image.onload = () => { image.ready = true; paint(); };
    image.src = large(name);
    loaded.set(name, image);
  }
  return loaded.get(name);
}

/** Index of the frame whose picture is shown in the place of one that is not drawn yet. */
function standIn(index) {
  while (index > 0 && !view.frames[index].picture) index -= 1;
  return index;
}

function makePlayer() {
  const canvas = h('canvas', { role: 'img', 'aria-label': 'The drawing' });
  const stage = h('div', { class: 'stage', tabindex: 0, role: 'group', 'aria-label': 'Player: space plays, the arrow keys step', data: { key: 'stage' } }, canvas, h('span', { class: 'note', hidden: true }, 'not drawn yet'));
  const button = (label, sign, clicked, kind = 'plain') => h('button', { type: 'button', class: kind, 'aria-label': label, title: label, onclick: clicked }, sign);
  const play = button('Play', '▶', () => setPlaying(!playing), 'play');
  const scrub = h('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': 'Drawing that is shown', oninput: (event) => { setPlaying(false); go(Number(event.target.value)); } });
  const label = h('output', { class: 'faint count' });
  const skin = h('label', { class: 'check' },
    h('input', { type: 'checkbox', onchange: (event) => { onion = event.target.checked; paint(); } }), h('span', {}, 'Onion skin'));
  const trail = h('label', { class: 'check' },
    h('input', { type: 'checkbox', data: { key: 'trails' }, onchange: (event) => toggleTrails(event.target.checked) }), h('span', {}, 'Trails'));
  stage.addEventListener('keydown', (event) => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: view.frames.length - 1 };
    if (event.key === ' ') setPlaying(!playing);
    else if (event.key in moves) step(moves[event.key]);
    else return;
    event.preventDefault();
  });
  stage.addEventListener('click', () => setPlaying(!playing));
  player = { canvas, stage, play, scrub, label };
  return [stage, h('div', { class: 'row controls' }, button('One back', '‹', () => step(at - 1)), play, button('One on', '›', () => step(at + 1)), scrub, label, skin, trail)];
}

function step(index) {
  setPlaying(false);
  go((index + view.frames.length) % view.frames.length);
}

function go(index) {
  at = clamp(index, 0, view.frames.length - 1);
  paint();
  renderFilmChoice();
}

function setPlaying(on) {
  playing = on && view.frames.length > 1;
  clearTimeout(timer);
  player.play.textContent = playing ? '❚❚' : '▶';
  player.play.setAttribute('aria-label', playing ? 'Pause' : 'Play');
  player.play.title = playing ? 'Pause' : 'Play';
  if (!playing) { renderFilmChoice(); return; }
  let due = performance.now();
  const tick = () => {
    if (!view.frames.length) { setPlaying(false); return; }
    at = (at + 1) % view.frames.length;
    paint();
    due = Math.max(due + (1000 * view.hold) / view.fps, performance.now() - 200);
    timer = setTimeout(tick, due - performance.now());
  };
  timer = setTimeout(tick, (1000 * view.hold) / view.fps);
}

/** Show the current frame; with onion skin, the ones before and after it as well. */
function paint() {
  if (!player || !view || !view.frames.length) return;
  at = Math.min(at, view.frames.length - 1);
  const frame = view.frames[at];
  const [height, width] = view.size;
  const { canvas } = player;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext('2d');
  const image = pictureOf(view.frames[standIn(at)].picture);
  if (image.ready) {
    pen.clearRect(0, 0, width, height);
    pen.drawImage(image, 0, 0, width, height);
    if (onion && !playing) {
      for (const beside of [at - 1, at + 1]) {
        const name = view.frames[beside] && view.frames[beside].picture;
        if (!name || !pictureOf(name).ready) continue;
        pen.globalAlpha = 0.3;
        pen.drawImage(pictureOf(name), 0, 0, width, height);
        pen.globalAlpha = 1;
      }
    }
    paintTrails(pen, frame);
  }
  player.stage.querySelector('.note').hidden = Boolean(frame.picture);
  canvas.setAttribute('aria-label', frameName(frame, at));
  player.scrub.max = view.frames.length - 1;
  player.scrub.value = at;
  player.scrub.setAttribute('aria-valuetext', frameName(frame, at));
  player.label.textContent = `${at + 1} / ${view.frames.length}`;
  root.querySelectorAll('.film .cell').forEach((cell, index) => cell.classList.toggle('now', index === at));
}

function frameName(frame, index) {
  if (frame.place === null) return `Drawing ${index + 1}: keyframe`;
  const what = frame.own ? 'your own' : frame.held ? 'held' : frame.picture ? REVIEWS[frame.review] || 'drawn' : 'not drawn yet';
  return `Drawing ${index + 1}: ${what}`;
}
