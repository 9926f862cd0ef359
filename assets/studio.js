// The one script of the page: a click on a plot or a line of the transcript moves the player,
// and one playhead runs through both plots. The plots share their time axis to the pixel.
(() => {
  const player = () => document.querySelector("#player video");
  const plots = () => [...document.querySelectorAll("#timeline .js-plotly-plot")].filter((plot) => plot._fullLayout);

  function seek(seconds) {
    const video = player();
    if (video) video.currentTime = Math.max(0, seconds);
  }

  /** The time under the pointer, or null outside of the plot's axes. */
  function timeUnder(plot, event) {
    const axis = plot._fullLayout.xaxis;
    const x = event.clientX - plot.getBoundingClientRect().left - axis._offset;
    return x < 0 || x > axis._length ? null : axis.range[0] + (x / axis._length) * (axis.range[1] - axis.range[0]);
  }

  function drawPlayhead() {
    const video = player();
    const card = document.getElementById("timeline");
    const shown = plots();
    if (!video || !card || !shown.length) return;
    let head = card.querySelector(".playhead");
    if (!head) {
      head = document.createElement("div");
      head.className = "playhead";
      card.append(head);
    }
    const axis = shown[0]._fullLayout.xaxis;
    const [top, bottom, origin] = [shown[0], shown.at(-1), card].map((element) => element.getBoundingClientRect());
    const share = (video.currentTime - axis.range[0]) / (axis.range[1] - axis.range[0]);
    head.style.left = `${top.left - origin.left - card.clientLeft + axis._offset + share * axis._length}px`;
    head.style.top = `${top.top - origin.top}px`;
    head.style.height = `${bottom.bottom - top.top - shown.at(-1)._fullLayout.margin.b}px`;
    head.hidden = share < 0 || share > 1;
    for (const row of document.querySelectorAll("#transcript tr[data-start]")) {
      const inside = row.dataset.start <= video.currentTime && video.currentTime < row.dataset.end;
      row.classList.toggle("now", inside);
    }
  }

  function followPlayback() {
    drawPlayhead();
    const video = player();
    if (video && !video.paused) requestAnimationFrame(followPlayback);
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest("#transcript tr[data-start]");
    if (row) return seek(Number(row.dataset.start));
    const plot = event.target.closest("#timeline .js-plotly-plot");
    const seconds = plot && plot._fullLayout && timeUnder(plot, event);
    if (typeof seconds === "number") seek(seconds);
  });
  // Media events do not bubble, but they can be caught on their way down.
  document.addEventListener("play", followPlayback, true);
  for (const name of ["seeked", "timeupdate", "loadedmetadata"]) document.addEventListener(name, drawPlayhead, true);
  addEventListener("resize", () => setTimeout(drawPlayhead, 200));
})();
