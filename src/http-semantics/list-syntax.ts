// The comma-separated lists of HTTP fields (RFC 9110 5.6.1), with quoted strings respected (5.6.4).

/**
 * The members of a list, trimmed, without empty ones. A comma inside a quoted string does not separate. A quote that
 * is never closed is an ordinary character: it must not hide a `no-store` behind it. Linear in the length of `text`.
 */
export function listMembers(text: string): string[] {
  const members: string[] = [];
  let start = 0;
  let quotesCount = true;
  for (let i = 0; i <= text.length; i++) {
    if (i === text.length || text[i] === ',') {
      const member = text.slice(start, i).trim();
      if (member !== '') members.push(member);
      start = i + 1;
    } else if (text[i] === '"' && quotesCount) {
      const close = closingQuote(text, i);
      if (close === undefined) quotesCount = false;
      else i = close;
    }
  }
  return members;
}

/** The index of the quote that closes the one at `open`; a backslash escapes the next character. */
function closingQuote(text: string, open: number): number | undefined {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return undefined;
}

/** The content of a quoted string, or the text as it is when it is not one. */
export function unquoted(text: string): string {
  if (!text.startsWith('"') || closingQuote(text, 0) !== text.length - 1) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, '$1');
}
