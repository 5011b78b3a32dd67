// Times and shares as the page says them, in HTML where a machine can read them too.

/** `4 s`, `12 min`, `3 h`, `5 days`: one figure, as much as one wants to know at a glance. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** `5 min ago`, with the moment itself for machines and for a pointer that rests on it. */
export function agoHtml(time: number, now: number): string {
  const text = now - time < 1_000 ? 'just now' : `${durationText(now - time)} ago`;
  return timeHtml(time, text);
}

/** `text`, with the moment it stands for. */
export function timeHtml(time: number, text: string): string {
  return `<time datetime="${new Date(time).toISOString()}" title="${utcText(time)}">${text}</time>`;
}

/** `2026-11-22 21:05:09 UTC`. */
export function utcText(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `97 %`; all but everything is never called everything. */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return '–';
  const percent = Math.round((part / whole) * 100);
  if (percent === 100 && part < whole) return '> 99 %';
  if (percent === 0 && part > 0) return '< 1 %';
  return `${percent} %`;
}
