/** A value in quotes; nginx knows no way to write some characters, so a path with one of them is refused. */
export function quoted(value: string): string {
  if (/["\\$\n\r]/.test(value))
    throw new Error(`nginx cannot be given "${value}": it holds a quote, a backslash or a dollar sign`);
  return `"${value}"`;
}
