// The samples: their pictures, names and values, and which is nearest to a place.

class Samples {
  constructor(latents, values, indices, names) {
    this.latents = latents;
    this.values = values; // one column after the other, as run.columns lists them
    this.indices = indices; // places in the data set
    this.names = names;
    this.sheets = new Map();
  }

  latent(sample) {
    return this.latents.subarray(sample * run.latentDim, (sample + 1) * run.latentDim);
  }

  value(column, sample) {
    return this.values[column * run.count + sample];
  }

  /** The value in words: a class's name, or a number. */
  text(column, sample) {
    const { categories } = run.columns[column],
      value = this.value(column, sample);
    if (!categories) return figure(value);
    return Number.isFinite(value) && categories[value] !== undefined ? categories[value] : "unknown";
  }

  name(sample) {
    return this.names ? this.names[sample] : `Sample ${grouped(this.indices[sample])}`;
  }

  /** [sample, distance] of the sample nearest to `z` in latent space. */
  nearest(z) {
    const { latents } = this,
      d = run.latentDim;
    let best = 0,
      least = Infinity;
    for (let sample = 0; sample < run.count; sample++) {
      let sum = 0;
      for (let i = 0; i < d && sum < least; i++) sum += (latents[sample * d + i] - z[i]) ** 2;
      if (sum < least) {
        least = sum;
        best = sample;
      }
    }
    return [best, Math.sqrt(least)];
  }

  /** The sheet that has the picture of `sample`, decoded when it is first needed. */
  sheet(number) {
    if (!this.sheets.has(number)) {
      this.sheets.set(
        number,
        unpacked(`sheet-${number}`).then((bytes) => createImageBitmap(new Blob([bytes]))),
      );
    }
    return this.sheets.get(number);
  }

  /** Draw the picture of `sample` over the whole of `canvas`; nothing if it has been asked for another meanwhile. */
  async draw(canvas, sample) {
    canvas.dataset.sample = sample;
    const { size, across, perSheet } = run.pictures;
    const sheet = await this.sheet(Math.floor(sample / perSheet)),
      place = sample % perSheet;
    if (canvas.dataset.sample !== String(sample)) return;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const x = (place % across) * size,
      y = Math.floor(place / across) * size;
    context.drawImage(sheet, x, y, size, size, 0, 0, canvas.width, canvas.height);
  }
}
