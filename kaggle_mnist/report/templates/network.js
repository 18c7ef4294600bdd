"use strict";
/* The network in the browser: normalization, features and layers as Python computes them, for one image at a time. */
function readerOf({ layers: layout, normalization, features, loss, shifts }, encoded) { // encoded: base64 of float16
  const SIDE = 28;
  let layers = null;

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15); // the weights are finite
  }

  function decodeLayers() {
    const bytes = atob(encoded);
    let at = 0;
    const take = (count) => Float32Array.from({ length: count }, () => {
      const bits = bytes.charCodeAt(at) | (bytes.charCodeAt(at + 1) << 8);
      at += 2;
      return half(bits);
    });
    return layout.map((layer) => ({ ...layer, weights: take(layer.inputs * layer.outputs), biases: take(layer.outputs) }));
  }

  function linear(x, { weights, biases, outputs }) {
    const z = Float64Array.from(biases);
    for (let i = 0; i < x.length; i++) {
      if (x[i] === 0) continue;
      for (let j = 0, w = i * outputs; j < outputs; j++) z[j] += x[i] * weights[w + j];
    }
    return z;
  }

  function convolution(x, { weights, biases, outputs, shape: [planes, rows, columns], stride }) { // 3 x 3, zeros around
    const height = Math.ceil(rows / stride), width = Math.ceil(columns / stride);
    const z = new Float64Array(outputs * height * width);
    for (let output = 0; output < outputs; output++) {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          let sum = biases[output];
          for (let down = -1; down <= 1; down++) {
            const y = row * stride + down;
            if (y < 0 || y >= rows) continue;
            for (let right = -1; right <= 1; right++) {
              const at = column * stride + right;
              if (at < 0 || at >= columns) continue;
              let weight = output * planes * 9 + (down + 1) * 3 + right + 1;
              for (let i = y * columns + at; i < x.length; i += rows * columns, weight += 9) sum += x[i] * weights[weight];
            }
          }
          z[(output * height + row) * width + column] = sum;
        }
      }
    }
    return z;
  }

  function logitsOf(x) {
    layers ??= decodeLayers();
    for (const layer of layers) {
      const z = layer.shape ? convolution(x, layer) : linear(x, layer);
      x = layer.relu ? z.map((value) => Math.max(value, 0)) : z;
    }
    return Array.from(x);
  }

  function gradientDirections(image, { directions, grid, smoothing }) { // as in models/features.py
    const step = (2 * Math.PI) / directions, planes = Array.from({ length: directions }, () => new Float64Array(SIDE * SIDE));
    const at = (row, column) => (row < 0 || column < 0 || row >= SIDE || column >= SIDE ? 0 : image[row * SIDE + column]);
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        let across = 0, down = 0; // Sobel's operator
        for (const [offset, weight] of [[-1, 0.125], [0, 0.25], [1, 0.125]]) {
          across += weight * (at(row + offset, column + 1) - at(row + offset, column - 1));
          down += weight * (at(row + 1, column + offset) - at(row - 1, column + offset));
        }
        if (across === 0 && down === 0) continue;
        const side = (direction) => (down * Math.cos(direction * step) - across * Math.sin(direction * step)) / Math.sin(step);
        planes.forEach((plane, d) => { plane[row * SIDE + column] = Math.max(0, Math.min(side(d - 1), -side(d + 1))); });
      }
    }
    const samples = Array.from({ length: grid }, (_, i) => Float64Array.from({ length: SIDE }, (_, pixel) => {
      const distance = pixel - ((i + 0.5) * SIDE / grid - 0.5);
      return Math.exp(-(distance ** 2) / (2 * smoothing ** 2)) / (smoothing * Math.sqrt(2 * Math.PI));
    }));
    const x = new Float64Array(directions * grid * grid);
    planes.forEach((plane, direction) => {
      samples.forEach((weights, row) => {
        const line = new Float64Array(SIDE);
        plane.forEach((value, i) => { if (value) line[i % SIDE] += value * weights[Math.floor(i / SIDE)]; });
        samples.forEach((across, column) => {
          const sum = line.reduce((total, value, i) => total + value * across[i], 0);
          x[(direction * grid + row) * grid + column] = Math.sqrt(sum);
        });
      });
    });
    return x;
  }

  function normalized(image) { // as in training/normalization.py; coordinates from -1 to 1 across the image
    const { deslant, max_slant: steepest, equalize_width: power, width, widths } = normalization, centre = (i) => (2 * i + 1) / SIDE - 1;
    if (!deslant && !power) return image;
    const mean = (value) => image.reduce((sum, ink, i) => sum + ink * value(centre(i % SIDE), centre(Math.floor(i / SIDE))), 0) / mass;
    const mass = Math.max(image.reduce((sum, ink) => sum + ink, 0), 1e-6), clamp = (value, low, high) => Math.min(Math.max(value, low), high);
    const x0 = mean((x) => x), y0 = mean((x, y) => y);
    const xx = mean((x) => x * x) - x0 * x0, yy = mean((x, y) => y * y) - y0 * y0, xy = mean((x, y) => x * y) - x0 * y0;
    const slant = deslant * clamp(xy / Math.max(yy, 1e-3), -steepest, steepest);
    const across = Math.sqrt(Math.max(xx - 2 * slant * xy + slant * slant * yy, 1e-4));
    const narrowing = clamp((4 * across * SIDE) / 2 / width, ...widths) ** power;
    const at = (row, column) => (row < 0 || column < 0 || row >= SIDE || column >= SIDE ? 0 : image[row * SIDE + column]);
    const pixel = (place) => ((place + 1) * SIDE - 1) / 2;
    return image.map((_, i) => {
      const x = centre(i % SIDE), y = centre(Math.floor(i / SIDE));
      const column = pixel(narrowing * x + slant * y + x0), row = pixel(y + y0);
      const left = Math.floor(column), top = Math.floor(row), right = column - left, down = row - top;
      return (1 - down) * ((1 - right) * at(top, left) + right * at(top, left + 1))
        + down * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
    });
  }

  function inputsOf(image) { // of 784 numbers from 0 to 1
    if (features.kind === "gradients") return gradientDirections(image, features);
    const [low, high] = features.pixels;
    return image.map((value) => value * (high - low) + low);
  }

  function sigmoidOutputs(logits) {
    if (loss !== "cross_entropy") return logits.map((z) => 1 / (1 + Math.exp(-z)));
    const top = Math.max(...logits), powers = logits.map((z) => Math.exp(z - top));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  }

  return function outputsFor(image) { // of 784 integers from 0 to 255; averages the recipe's shifted views
    const upright = normalized(Float64Array.from(image, (value) => value / 255));
    const mean = new Array(10).fill(0);
    for (const [down, right] of shifts) {
      const shifted = new Float64Array(SIDE * SIDE);
      for (let row = Math.max(0, down); row < Math.min(SIDE, SIDE + down); row++) {
        for (let column = Math.max(0, right); column < Math.min(SIDE, SIDE + right); column++) {
          shifted[row * SIDE + column] = upright[(row - down) * SIDE + column - right];
        }
      }
      sigmoidOutputs(logitsOf(inputsOf(shifted))).forEach((output, digit) => { mean[digit] += output / shifts.length; });
    }
    return mean;
  };
}
