// What colours the points: a legend whose classes can be hidden, or a colour bar.

class Colouring {
  constructor(samples, cloud) {
    this.samples = samples;
    this.cloud = cloud;
    this.hidden = new Set(); // places of classes; −1: those whose class is unknown
    this.select = document.getElementById("colour-by");
    this.legend = document.getElementById("legend");
    run.columns.forEach((column, i) => this.select.append(make("option", { value: i }, column.name)));
    this.select.append(make("option", { value: -1 }, "Nothing"));
    this.select.value = run.firstColumn;
    this.select.addEventListener("change", () => this.choose());
    this.choose();
  }

  get column() {
    return Number(this.select.value);
  }

  choose() {
    this.hidden.clear();
    this.show();
  }

  /** Paint the points and rebuild the legend, in the theme's colours. */
  show() {
    const { count } = run,
      palette = run.palettes[theme()],
      { column } = this;
    const colours = new Uint8Array(3 * count),
      visible = new Uint8Array(count).fill(1);
    this.legend.replaceChildren();
    this.legend.classList.toggle("classes", column >= 0 && Boolean(run.columns[column].categories));
    if (column < 0) {
      for (let i = 0; i < count; i++) colours.set(palette.plain, 3 * i);
    } else {
      const { categories, low, high } = run.columns[column],
        counts = new Map();
      for (let i = 0; i < count; i++) {
        const value = this.samples.value(column, i),
          known = !Number.isNaN(value);
        const place = known ? (categories ? value : 0) : -1;
        counts.set(place, (counts.get(place) || 0) + 1);
        visible[i] = this.hidden.has(place) ? 0 : 1;
        let colour = run.missing;
        if (known && categories) colour = palette.classes[value % palette.classes.length];
        else if (known) colour = palette.map[Math.round(clamp((value - low) / (high - low || 1), 0, 1) * 255)];
        colours.set(colour, 3 * i);
      }
      if (categories) this.showClasses(categories, counts, palette);
      else this.showBar(run.columns[column], counts, palette);
    }
    this.cloud.paint(colours, visible);
  }

  showClasses(categories, counts, palette) {
    const entries = categories.map((name, place) => [place, name, palette.classes[place % palette.classes.length]]);
    if (counts.has(-1)) entries.push([-1, "unknown", run.missing]);
    const shown = entries.filter(([place]) => counts.has(place));
    for (const [place, name, colour] of shown) {
      const visible = !this.hidden.has(place);
      const button = make(
        "button",
        {
          type: "button",
          class: "class",
          "aria-pressed": String(visible),
          title: "Click: hide or show. Ctrl or Alt and click: show this one alone.",
        },
        swatch(colour),
        make("span", { class: "name" }, name),
        make("span", { class: "count", title: "Number of samples" }, grouped(counts.get(place))),
      );
      button.addEventListener("click", (event) => {
        const places = shown.map(([other]) => other);
        if (event.ctrlKey || event.metaKey || event.altKey)
          this.hidden = new Set(places.filter((other) => other !== place));
        else if (!this.hidden.delete(place)) this.hidden.add(place);
        this.show();
        this.legend.querySelectorAll("button")[places.indexOf(place)].focus();
      });
      this.legend.append(button);
    }
    if (categories.length > palette.classes.length) {
      this.legend.append(make("span", { class: "small" }, `Colours repeat after ${palette.classes.length} classes.`));
    }
    if (this.hidden.size) {
      const all = make("button", { type: "button", class: "quiet" }, "Show all");
      all.addEventListener("click", () => this.choose());
      this.legend.append(all);
    }
  }

  showBar({ name, low, high }, counts, palette) {
    const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((place) => `rgb(${palette.map[place].join()})`);
    const bar = make("span", {
      class: "bar",
      role: "img",
      "aria-label": `Colour bar: ${name} from ${figure(low)} to ${figure(high)}`,
    });
    bar.style.backgroundImage = `linear-gradient(to right, ${stops.join()})`;
    this.legend.append(
      make("span", { class: "end", title: "The least value of the samples" }, figure(low)),
      bar,
      make("span", { class: "end", title: "The greatest value of the samples" }, figure(high)),
    );
    if (counts.has(-1)) {
      this.legend.append(
        make(
          "span",
          { class: "class" },
          swatch(run.missing),
          "unknown",
          make("span", { class: "count", title: "Number of samples" }, grouped(counts.get(-1))),
        ),
      );
    }
  }
}

function swatch(colour) {
  const mark = make("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.backgroundColor = `rgb(${colour.join()})`;
  return mark;
}
