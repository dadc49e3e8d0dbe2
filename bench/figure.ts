/** One measured figure beside what it is held against. */
export interface Figure {
  name: string;
  ours: number;
  /** Measured in the same run, in turns with ours; null: the limit is absolute. */
  peer: { what: string; value: number } | null;
  unit: "ms" | "MB" | "req/s" | "requests";
  compared: "ratio" | "difference" | "value";
  bound: "at most" | "at least";
  limit: number;
}

/** What a bench answers with: figures that have limits, and lines that explain them. */
export interface Report {
  figures: Figure[];
  notes: string[];
}

/** The number that the limit is for. */
function measure(figure: Figure): number {
  if (figure.compared === "value" || figure.peer === null) return figure.ours;
  return figure.compared === "ratio" ? figure.ours / figure.peer.value : figure.ours - figure.peer.value;
}

export function isOver(figure: Figure): boolean {
  const value = measure(figure);
  // Not the other way round: what is no number is over, too.
  return figure.bound === "at most" ? !(value <= figure.limit) : !(value >= figure.limit);
}

/** One aligned table. */
export function table(figures: readonly Figure[]): string {
  const rows = [["", "ours", "beside it", "", "compared", "limit", ""], ...figures.map(cells)];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const left = new Set([0, 3, 6]);
  const line = (row: string[]): string =>
    row
      .map((cell, column) => (left.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

function cells(figure: Figure): string[] {
  const { name, ours, peer, unit, compared, bound, limit } = figure;
  const sign = bound === "at most" ? "≤" : "≥";
  return [
    name,
    amount(ours, unit),
    peer === null ? "–" : amount(peer.value, unit),
    peer?.what ?? "",
    compared === "ratio" ? `${measure(figure).toFixed(2)} ×` : amount(measure(figure), unit),
    compared === "ratio" ? `${sign} ${limit.toFixed(2)} ×` : `${sign} ${amount(limit, unit)}`,
    isOver(figure) ? "over" : "ok",
  ];
}

function amount(value: number, unit: Figure["unit"]): string {
  return `${value.toLocaleString("en", { maximumFractionDigits: 0 })} ${unit}`;
}
