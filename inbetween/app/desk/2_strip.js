// The keyframes: added, ordered, removed; between them, how many drawings lie there.

const TRANSITIONS = {
  cut: 'These two look like different shots: the first is held until the cut.',
  fade: 'One of these two fades into the other.',
  flash: 'This keyframe seems to be a flash: it is shown once.',
};

async function addFiles(files, place = null) {
  const inOrder = files.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const paths = await uploaded(inOrder);
  if (paths.length) act({ do: 'add', paths, at: place, refused: paths.refused });
}

function keyframeCard(keyframe, index) {
  const { number, name } = keyframe;
  const last = view.keyframes.length - 1;
  const move = (to) => act({ do: 'move', number, to: clamp(to, 0, last) });
  const button = (sign, label, key, clicked, off = false) =>
    h('button', { type: 'button', class: 'plain', 'aria-label': label, title: label, disabled: off, data: { key: `${key}${number}` }, onclick: clicked }, sign);
  const card = h(
    'li', { class: 'keyframe', draggable: 'true', data: { number } },
    h('img', { src: small(keyframe.picture), alt: `Keyframe ${index + 1}: ${name}`, draggable: 'false' }),
    h('div', { class: 'row' },
      h('strong', {}, `${index + 1}`),
      h('span', { class: 'name', title: name }, name),
      button('‹', `Move keyframe ${index + 1} to the left`, 'left', () => move(index - 1), index === 0),
      button('›', `Move keyframe ${index + 1} to the right`, 'right', () => move(index + 1), index === last),
      button('×', `Remove keyframe ${index + 1}`, 'remove', () => act({ do: 'remove', number }))),
  );
  card.addEventListener('dragstart', (event) => {
    event.dataTransfer.setData('text/x-keyframe', `${number}`);
    card.classList.add('dragged');
  });
  card.addEventListener('dragend', () => card.classList.remove('dragged'));
  card.addEventListener('dragover', (event) => {
    if (event.dataTransfer.types.includes('text/x-keyframe')) event.preventDefault();
  });
  card.addEventListener('drop', (event) => {
    const dragged = event.dataTransfer.getData('text/x-keyframe');
    if (!dragged) return;
    event.preventDefault();
    act({ do: 'move', number: Number(dragged), to: index });
  });
  return card;
}

function pairChip(pair, index) {
  const chosen = samePair(pairAlone, pair.pair);
  const count = pair.timing.t.length;
  const label = `Timing between keyframes ${index + 1} and ${index + 2}: ${plural(count, 'drawing')}${pair.alone ? ', of its own' : ''}`;
  return h('li', { class: 'between' },
    h('button', {
      type: 'button', class: `chip${pair.alone ? ' alone' : ''}`, 'aria-pressed': `${chosen}`, 'aria-label': label, title: label,
      data: { key: `pair${pair.pair}` },
      onclick: () => { pairAlone = chosen ? null : pair.pair; useTool(null); render(); },
    }, `${count}`),
    pair.transition ? h('span', { class: 'cut', title: TRANSITIONS[pair.transition] }, pair.transition) : null,
    hasGuides(pair) ? h('span', { class: 'guided', title: 'It has guides.' }, 'guides') : null);
}

function renderStrip(place) {
  fill(place, [view.keyframes, view.pairs, pairAlone], () => {
    if (!view.keyframes.length) {
      return [h('div', { class: 'empty' },
        h('p', { class: 'large' }, 'Drop your keyframes here'),
        h('p', { class: 'faint' }, 'Images of one size, in order of their names. An animated GIF, PNG or WebP counts as a sequence, and so does a video.'),
        h('div', { class: 'row centred' },
          fileButton('Choose files', 'add', true, (files) => addFiles(files), 'primary'),
          h('button', { type: 'button', data: { key: 'examples' }, onclick: () => act({ do: 'examples' }) }, 'Try the examples')))];
    }
    const cards = view.keyframes.flatMap((keyframe, index) => [
      keyframeCard(keyframe, index),
      index < view.pairs.length ? pairChip(view.pairs[index], index) : null,
    ]);
    return [
      h('div', { class: 'row head' },
        h('h2', {}, 'Keyframes'),
        h('span', { class: 'faint' }, `${view.size[1]} × ${view.size[0]}`),
        h('span', { class: 'space' }),
        fileButton('Add', 'add', true, (files) => addFiles(files)),
        h('button', { type: 'button', class: 'plain', data: { key: 'clear' }, onclick: () => confirm('Remove all keyframes and drawings?') && act({ do: 'clear' }) }, 'Clear')),
      h('ol', { class: 'strip', data: { scroll: '' }, tabindex: -1 }, cards.filter(Boolean)),
    ];
  });
}
