// Plays the neurons of a run: a slider moves the markers over the rasters, and shows the histograms and the weights of
// the marked moment. Without this script a page shows the last moment.
(() => {
  const player = document.querySelector(".player");
  const [button, slider, shown] = player.children;
  const { unit, moments } = player.dataset;
  const times = moments.split(" ");
  const numbers = (text) => text.split(" ").map(Number);
  const histograms = [...document.querySelectorAll("[data-counts]")].map((drawing) => ({
    bars: drawing.querySelectorAll("g"),
    counts: drawing.dataset.counts.split(";").map(numbers),
  }));
  const film = document.querySelector("[data-frames]");
  const frames = film ? numbers(film.dataset.frames) : [];
  const epochs = film ? numbers(film.dataset.epochs) : [];
  let timer;
  const show = () => {
    const at = slider.valueAsNumber;
    document.body.style.setProperty("--now", (at + 0.5) / times.length);
    shown.textContent = `after ${unit} ${times[at]} of ${times.at(-1)}`;
    for (const { bars, counts } of histograms) {
      const total = counts[at].reduce((sum, count) => sum + count);
      counts[at].forEach((count, i) => {
        bars[i].style.setProperty("--share", count / total);
        bars[i].lastChild.textContent = count || "";
      });
    }
    if (film) {
      film.style.setProperty("--frame", `${(100 * frames[at]) / Math.max(1, epochs.length - 1)}%`);
      film.querySelector(".epoch").textContent = epochs[frames[at]];
    }
  };
  const pause = () => {
    timer = clearInterval(timer);
    button.textContent = "▶";
    button.setAttribute("aria-label", "play");
  };
  const step = () => {
    slider.stepUp();
    show();
    if (slider.value === slider.max) pause();
  };
  button.onclick = () => {
    if (timer) return pause();
    if (slider.value === slider.max) slider.value = 0;
    show();
    timer = setInterval(step, Math.max(40, 6000 / times.length));
    button.textContent = "⏸";
    button.setAttribute("aria-label", "pause");
  };
  slider.oninput = () => {
    pause();
    show();
  };
  document.body.classList.add("playable");
  show();
})();
