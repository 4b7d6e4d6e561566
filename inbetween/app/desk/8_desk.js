// The whole page, and what happens when a view comes from Python.

function build() {
  const strip = takesFiles(h('section', { class: 'panel keyframes', 'aria-label': 'Keyframes' }), (files) => addFiles(files));
  const form = h('form', { class: 'settings', onsubmit: (event) => { event.preventDefault(); startDrawing(); } },
    h('section', { class: 'panel timing', 'aria-label': 'Timing' }),
    h('details', { class: 'panel more' }, h('summary', {}, 'More'), h('div', { class: 'style' })),
    h('div', { class: 'drawing' },
      h('button', { type: 'submit', class: 'primary large-button', data: { key: 'draw' } }, 'Draw'),
      h('div', { class: 'progress', hidden: true },
        h('progress', { max: 1, value: 0, 'aria-label': 'Drawings made' }),
        h('div', { class: 'row' }, h('span', { class: 'faint told' }), h('span', { class: 'space' }),
          h('button', { type: 'button', onclick: () => trigger('stop') }, 'Stop')))));
  const result = h('section', { class: 'panel result', 'aria-label': 'Result' },
    makePlayer(), h('div', { class: 'film', role: 'group', 'aria-label': 'All drawings' }), h('div', { class: 'chosen' }), h('div', { class: 'row wrap downloads' }));
  root.replaceChildren(
    h('header', {}, h('h1', {}, 'inbetween'), h('p', { class: 'faint' }, 'Keyframes in, the drawings between them out. All of it stays on this machine.')),
    h('p', { class: 'said', role: 'status', 'aria-live': 'polite', hidden: true }),
    strip, h('div', { class: 'work', hidden: true }, form, h('div', { class: 'column' }, makeGuides(), result)));
}

let asked = false; // between the button and Python's first answer
let wanted = false; // once Python has answered everything else

function startDrawing() {
  if (asked || wanted || view.drawing) return;
  const focused = document.activeElement;
  if (focused && focused.matches('input[type=number]')) focused.blur(); // what has been typed comes first
  wanted = true;
  beginDrawing();
}

function beginDrawing() {
  if (!wanted || waiting.length) return;
  [wanted, asked] = [false, true];
  say('');
  trigger('draw');
}

function renderDrawing() {
  const { drawing, missing } = view;
  const button = root.querySelector('.drawing button[type=submit]');
  const progress = root.querySelector('.progress');
  const stop = progress.querySelector('button');
  const focused = [button, stop].includes(document.activeElement);
  button.hidden = Boolean(drawing);
  button.disabled = !missing || view.keyframes.length < 2;
  button.textContent = missing ? `Draw ${plural(missing, 'drawing')}` : view.keyframes.length < 2 ? 'Draw' : 'All drawn';
  progress.hidden = !drawing;
  if (focused) (drawing ? stop : button.disabled ? player.stage : button).focus({ preventScroll: true });
  if (!drawing) return;
  const bar = root.querySelector('progress');
  if (drawing.total) bar.value = drawing.done / drawing.total;
  else bar.removeAttribute('value');
  root.querySelector('.told').textContent = drawing.total ? `${drawing.done} of ${drawing.total}` : 'Preparing …';
}

function render() {
  if (!view || !view.base) return;
  if (pairAlone && !view.pairs.some((pair) => samePair(pair.pair, pairAlone))) {
    pairAlone = null;
    useTool(null);
  }
  at = clamp(at, 0, Math.max(view.frames.length - 1, 0));
  renderStrip(root.querySelector('.keyframes'));
  const begun = view.keyframes.length > 0;
  root.querySelector('.work').hidden = !begun;
  if (!begun) { setPlaying(false); return; }
  renderTiming(root.querySelector('.timing'));
  renderStyle(root.querySelector('.style'));
  renderGuides();
  renderDrawing();
  renderFilm(root.querySelector('.film'));
  renderDownloads(root.querySelector('.downloads'));
  if (!playing) renderFilmChoice();
  for (const frame of view.frames) if (frame.picture) pictureOf(frame.picture);
  paint();
}

function received() {
  const found = props.value;
  if (!found) return;
  const { message, download } = found;
  if (found.choices) choices = found.choices;
  const done = found.acted ? answered() : null;
  const newer = found.base && !(view && view.base === found.base && view.serial > found.serial);
  if (newer) {
    const wasDrawing = view && view.drawing;
    view = found;
    if (view.drawing || message) asked = false;
    if (message && message.kind === 'error') root.querySelector('.guides .list').shown = null; // shows what is true
    render();
    const finished = wasDrawing && !view.drawing && !view.missing;
    if (finished && !playing && !matchMedia('(prefers-reduced-motion: reduce)').matches) { at = 0; setPlaying(true); }
  }
  if (done && done.do === 'trails') receivedTrails(found.trails);
  // actions that say nothing leave what uploads and trails must not hide
  if (message && (message.text || !done || (done.do !== 'trails' && !done.refused))) say(message.text, message.kind);
  if (download) {
    say('');
    h('a', { href: `${view.base}${download.name}`, download: download.name }).click();
  }
  beginDrawing();
}

build();
watch('value', received);
received();
window.addEventListener('beforeunload', (event) => {
  if (view && view.frames && view.frames.some((frame) => frame.own || frame.candidates.length)) event.preventDefault();
});
