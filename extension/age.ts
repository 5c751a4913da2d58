/** How long ago a moment (milliseconds since 1970) was, in its largest whole unit: `just now`, `12m ago`, `2d ago`. */
export function ago(time: number, now: number): string {
  const seconds = Math.floor((now - time) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`;
  const days = Math.floor(seconds / 86_400);
  return days < 365 ? `${days}d ago` : `${Math.floor(days / 365)}y ago`;
}
