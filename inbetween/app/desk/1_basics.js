// Runs inside Gradio's HTML component, which gives `element`, `props`, `trigger`, `watch` and `upload`.
// The files of this folder are one script, in the order of their names.

const root = element.querySelector('.desk') || element;
let view = null; // the last one that came from Python
let choices = null; // what there is to choose from
let at = 0; // index of the frame that is shown
let pairAlone = null; // the pair whose timing is shown; null is the timing of all

const waiting = []; // actions that Python has not answered; the first one has been sent

/** Ask Python to do something, once it has answered what came before; a view comes back. */
function act(action) {
  waiting.push(action);
  if (waiting.length === 1) trigger('act', action);
}

/** Python has answered the first action, which is returned. */
function answered() {
  const done = waiting.shift();
  if (waiting.length) trigger('act', waiting[0]);
  return done;
}

/** Make an element: `on...` are listeners, `data` is its dataset, null children are left out. */
function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(made.dataset, value);
    else if (key === 'style') made.style.cssText = value;
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

/** Fill an element anew, if what it shows has changed; the focus stays where it was. */
function fill(place, shown, children) {
  const state = JSON.stringify(shown);
  if (place.shown === state) return;
  place.shown = state;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const scrolled = [...place.querySelectorAll('[data-scroll]')].map((found) => found.scrollLeft);
  place.replaceChildren(...children().flat().filter((child) => child != null && child !== false));
  place.querySelectorAll('[data-scroll]').forEach((found, number) => (found.scrollLeft = scrolled[number] || 0));
  if (focused) {
    const again = place.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    if (again) again.focus({ preventScroll: true });
  }
}

const small = (picture) => `${view.base}${picture}.webp`;
const large = (picture) => `${view.base}${picture}.png`;
const samePair = (a, b) => a && b && a[0] === b[0] && a[1] === b[1];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;

function say(text, kind = 'note') {
  const line = root.querySelector('.said');
  line.textContent = text;
  line.classList.toggle('error', kind === 'error');
  line.hidden = !text;
}

/** Upload files one by one; those that cannot be uploaded are named. Returns paths for Python. */
async function uploaded(files) {
  const paths = [];
  let refused = '';
  for (const [number, file] of files.entries()) {
    if (file.size > choices.limits.file) {
      const most = Math.round(choices.limits.file / 2 ** 20);
      refused = `${file.name} has ${Math.round(file.size / 2 ** 20)} MB, and ${most} MB are the most that this page takes.`;
      continue;
    }
    say(files.length > 1 ? `Reading ${number + 1} of ${files.length} …` : 'Reading …');
    try {
      paths.push((await upload(file)).path);
    } catch {
      refused = `${file.name} could not be read: export it again, or leave it out.`;
    }
  }
  say(refused, refused ? 'error' : 'note');
  paths.refused = Boolean(refused);
  return paths;
}

/** Let an element take dropped files. */
function takesFiles(place, taken) {
  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  let inside = 0;
  place.addEventListener('dragenter', (event) => {
    if (!holdsFiles(event)) return;
    inside += 1;
    place.classList.add('over');
  });
  place.addEventListener('dragleave', () => {
    inside = Math.max(inside - 1, 0);
    if (!inside) place.classList.remove('over');
  });
  place.addEventListener('dragover', (event) => holdsFiles(event) && event.preventDefault());
  place.addEventListener('drop', (event) => {
    inside = 0;
    place.classList.remove('over');
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    taken([...event.dataTransfer.files]);
  });
  return place;
}

/** A button that opens the file dialogue. */
function fileButton(label, key, several, taken, kind = '') {
  const input = h('input', {
    type: 'file', class: 'hidden-input', tabindex: -1, 'aria-hidden': 'true', multiple: several,
    onchange: () => { taken([...input.files]); input.value = ''; },
  });
  return [
    h('button', { type: 'button', class: kind, data: { key }, onclick: () => input.click() }, label), input,
  ];
}
