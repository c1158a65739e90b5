'use strict';
document.documentElement.classList.add('js');
// Errors of images do not bubble, and on a slow disk some come before the page is read whole.
const failed = new Set();
document.addEventListener('error', event => failed.add(event.target), true);
addEventListener('DOMContentLoaded', () => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const one = (query, within = document) => within.querySelector(query);
  const tiles = all('.tile'), view = one('#view'), told = one('#told');
  let shown = tiles, open = null;

  // Times in the reader's own zone and words.
  const zoned = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'});
  for (const time of all('time')) {
    const moment = new Date(time.dateTime);
    if (!isNaN(moment)) { time.title = time.textContent; time.textContent = zoned.format(moment); }
  }

  // A thumbnail that is missing: the picture itself, else a word about it.
  const replaceMissing = image => {
    const full = image.dataset.full;
    if (full && image.getAttribute('src') !== full) { image.src = full; return; }
    const link = image.closest('.open');
    if (!link) return;
    image.remove();
    link.parentElement.classList.add('bare');
    const note = document.createElement('span');
    note.className = 'gone-tile';
    note.textContent = full ? 'moved or deleted' : 'no thumbnail';
    link.append(note);
    one('.over', link)?.removeAttribute('aria-hidden');
  };
  for (const image of all('.open img')) {
    image.addEventListener('error', () => replaceMissing(image));
    if (failed.has(image)) replaceMissing(image);
  }

  // Filters and search.
  const search = one('#search'), none = one('.none');
  const sift = () => {
    const kinds = one('[data-show][aria-pressed=true]')?.dataset.show.split(' ').filter(Boolean) ?? [];
    const words = (search?.value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    shown = tiles.filter(tile => {
      const text = tile.textContent.toLowerCase();
      const fits = (!kinds.length || kinds.some(kind => tile.classList.contains(kind))) && words.every(word => text.includes(word));
      tile.hidden = !fits;
      return fits;
    });
    if (none) none.hidden = shown.length > 0;
    told.textContent = `${shown.length} of ${tiles.length} shown`;
  };
  for (const button of all('[data-show]')) {
    const kinds = button.dataset.show.split(' ').filter(Boolean), count = document.createElement('span');
    count.textContent = tiles.filter(tile => !kinds.length || kinds.some(kind => tile.classList.contains(kind))).length;
    button.append(count);
    button.addEventListener('click', () => {
      for (const other of all('[data-show]')) other.setAttribute('aria-pressed', String(other === button));
      sift();
    });
  }
  search?.addEventListener('input', sift);

  // The view of one result.
  const large = one('.stage img', view), gone = one('.gone', view), content = one('.content', view);
  large.addEventListener('error', () => {
    const small = one('.open img', open)?.getAttribute('src');
    if (small && large.getAttribute('src') !== small) { large.src = small; return; }
    large.hidden = true; gone.hidden = false;
  });
  large.addEventListener('load', () => {
    large.classList.toggle('small', large.naturalWidth < 512);
    large.classList.toggle('tiny', large.naturalWidth <= 160 && open?.classList.contains('tiny'));
  });
  const copy = async (text, pre) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* no clipboard on this kind of page */ }
    const area = document.createElement('textarea');
    area.value = text; area.className = 'unseen'; view.append(area); area.select();
    let done = false;
    try { done = document.execCommand('copy'); } catch { /* refused */ }
    area.remove();
    if (!done) { pre.parentElement.open = true; getSelection().selectAllChildren(pre); }
    return done;
  };
  const show = tile => {
    open = tile;
    const link = one('.open', tile), image = one('img', link);
    const source = image?.dataset.full ?? image?.getAttribute('src') ?? (['picture', 'sheet', 'benchmark'].some(kind => tile.classList.contains(kind)) ? link.getAttribute('href') : '');
    view.classList.toggle('wordless', !source);
    gone.hidden = true;
    if (source) { large.hidden = false; large.src = source; large.alt = image?.alt ?? ''; } else { large.hidden = true; large.removeAttribute('src'); }
    content.replaceChildren(one('.info', tile).cloneNode(true));
    const pre = one('.job pre', content);
    if (pre) {
      const button = document.createElement('button');
      button.type = 'button'; button.dataset.do = 'copy'; button.textContent = 'Copy as job file';
      button.addEventListener('click', async () => {
        const done = await copy(pre.textContent, pre);
        button.textContent = done ? 'Copied' : 'Selected: copy it with Ctrl+C';
        told.textContent = button.textContent;
        setTimeout(() => { button.textContent = 'Copy as job file'; }, 2500);
      });
      one('.links', content).prepend(button);
    }
    const place = shown.indexOf(tile);
    one('.place', view).textContent = `${place + 1} of ${shown.length}`;
    one('[data-do=older]', view).disabled = place <= 0;
    one('[data-do=newer]', view).disabled = place >= shown.length - 1;
    view.setAttribute('aria-label', one('.info h3', tile).textContent);
    view.scrollTop = content.scrollTop = 0;
    if (!view.open) view.showModal();
  };
  const move = by => { const next = shown[shown.indexOf(open) + by]; if (next) show(next); };
  for (const tile of tiles) one('.open', tile).addEventListener('click', event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    show(tile);
  });
  one('[data-do=older]', view).addEventListener('click', () => move(-1));
  one('[data-do=newer]', view).addEventListener('click', () => move(1));
  one('[data-do=close]', view).addEventListener('click', () => view.close());
  view.addEventListener('close', () => { large.removeAttribute('src'); one('.open', open)?.focus(); });
  view.addEventListener('keydown', event => {
    if (event.target.closest('pre')) return;
    if (event.key === 'ArrowLeft') { event.preventDefault(); move(-1); }
    if (event.key === 'ArrowRight') { event.preventDefault(); move(1); }
  });
  let from = null;
  view.addEventListener('touchstart', event => { from = event.touches.length === 1 ? event.touches[0] : null; }, {passive: true});
  view.addEventListener('touchend', event => {
    if (!from) return;
    const to = event.changedTouches[0], across = to.clientX - from.clientX;
    if (Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(to.clientY - from.clientY)) move(across < 0 ? 1 : -1);
    from = null;
  });
  addEventListener('keydown', event => {
    if (event.key === '/' && !view.open && document.activeElement !== search) { event.preventDefault(); search?.focus(); }
  });

  // Reloading: off until asked for, and never under the reader's hands.
  const live = one('#live'), KEY = 'aura-gallery-live';
  if (live) {
    try { live.checked = localStorage.getItem(KEY) === '1'; } catch { /* no storage on this kind of page */ }
    live.addEventListener('change', () => { try { localStorage.setItem(KEY, live.checked ? '1' : '0'); } catch { /* likewise */ } });
    setInterval(() => {
      if (live.checked && !view.open && !search?.value && document.visibilityState === 'visible') location.reload();
    }, 15000);
  }
});
