/** One transition of an alert, as GET /api/v1/alerts/{id}/history tells it. */
export interface TimelineEntry {
  seq: number;
  kind: string;
  at: string;
  actor: string | null;
  /** What the act said: `text`, `position`, `to`, `why`. */
  detail: Readonly<Record<string, unknown>> | null;
}

/** The words of an act that a reader wants to see beside it. */
export function wordsOf(detail: TimelineEntry['detail']): string {
  return ['text', 'position', 'to', 'why']
    .map((key) => detail?.[key])
    .filter((word): word is string => typeof word === 'string')
    .join(' · ');
}

/** What happened to an alert so far, oldest first; nothing when it can't be read. */
export async function timeline(id: string): Promise<TimelineEntry[]> {
  try {
    const answer = await fetch(`/api/v1/alerts/${encodeURIComponent(id)}/history`);
    if (!answer.ok) return [];
    return ((await answer.json()) as { transitions: TimelineEntry[] }).transitions;
  } catch {
    return [];
  }
}
