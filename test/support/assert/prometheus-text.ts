// Reads what /metrics says, so that tests can look at single numbers.

/** Every sample by its name with labels exactly as written, `name{label="value"}`. */
export function parseMetrics(text: string): Record<string, number> {
  const samples: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) samples[name] = sampleValue(value);
  }
  return samples;
}

function sampleValue(text: string): number {
  return text === '+Inf' ? Infinity : Number(text);
}
