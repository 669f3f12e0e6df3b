/** One transition of an alert, as GET /api/v1/alerts/{id}/history tells it. */
export interface TimelineEntry {
  seq: number;
  kind: string;
  at: string;
  actor: string | null;
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
