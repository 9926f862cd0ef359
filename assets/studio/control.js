// Clicks and keys move the player; the player moves everything else.

const FIELDS = "input, textarea, select, [contenteditable], video[controls], " +
  "[role=textbox], [role=slider], [role=listbox], [role=combobox], [role=tab]";
const PRESSED_BY_SPACE = "button, a[href], summary, label, [role=button]";

function draw() {
  readTimeline();
  const seconds = momentSeconds();
  const index = indexAt(seconds);
  const segment = timeline.segments[index];
  keepPlace();
  keepEditor();
  markChanged();
  drawPlayhead(seconds, segment);
  lightRow(isWithin(segment, seconds) ? index : -1);
  showBars(segment, seconds);
  liftCaptions();
  showWhy(segment ?? timeline.segments[0]);
}

// ---- when: once a frame while the video plays, else once after each change

let nextFrame = 0;

function drawSoon() {
  nextFrame ||= requestAnimationFrame(() => {
    nextFrame = 0;
    for (const page of PAGES.filter(({ id }) => isSeen(id))) {
      page.draw();
      if (page.player()?.paused === false) drawSoon();
    }
  });
}

/** What follows a player, each on its own page. */
const PAGES = [
  { id: "results", draw, player },
  { id: "reactions-results", draw: drawReactions, player: stimulusPlayer },
];

const isSeen = (id) => document.getElementById(id)?.getClientRects().length > 0;

// Media events do not bubble, but they can be caught on their way down; "load" is that of the captions.
for (const name of ["load", "play", "seeking", "seeked", "timeupdate", "loadedmetadata", "emptied"]) {
  document.addEventListener(name, drawSoon, true);
}
addEventListener("resize", drawSoon);
// New results, plots that were drawn anew, another theme. What `draw` itself changes ends here after one more frame.
new MutationObserver(drawSoon).observe(document, {
  subtree: true,
  childList: true,
  attributes: true,
  attributeFilter: ["data-timeline", "class"],
});

// ---- clicks

document.addEventListener("click", (event) => {
  if (event.target.closest(LINE_TOOLS)) return;
  const start = event.target.closest("#results [data-start]")?.dataset.start;
  const plot = event.target.closest("#timeline .js-plotly-plot");
  const seconds = start !== undefined ? Number(start) : plot?._fullLayout ? timeUnder(plot, event) : null;
  if (seconds === null) return;
  leftAloneUntil = 0;
  seek(seconds);
  drawSoon();
});

// A mouse leaves the focus where it is: after a click on a line, space is to play, not to press the line again.
document.addEventListener("mousedown", (event) => {
  if (event.target.closest("#results button[data-start], #transcript button")) event.preventDefault();
});

for (const name of ["wheel", "touchmove"]) {
  const leaveAlone = (event) => {
    if (event.target.closest?.("#transcript .scroll")) leftAloneUntil = performance.now() + FREE_SCROLL_MS;
  };
  document.addEventListener(name, leaveAlone, { passive: true });
}

// ---- keys

document.addEventListener("keydown", (event) => {
  const isChord = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  if (event.defaultPrevented || isChord || !isSeen("results") || event.target.closest?.(FIELDS)) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    leftAloneUntil = 0;
    step(event.key === "ArrowRight" ? 1 : -1);
    drawSoon();
  } else if (event.key === " " && !event.target.closest?.(PRESSED_BY_SPACE)) {
    const video = player();
    if (!video) return;
    if (video.paused) video.play();
    else video.pause();
  } else {
    return;
  }
  event.preventDefault();
});
