import { say } from '../text/language';

/** One transition of an alert, as GET /api/v1/alerts/{id}/history tells it. */
export interface TimelineEntry {
  seq: number;
  kind: string;
  at: string;
  actor: string | null;
}

/**
 * Says that a person has seen an alert. Answers '' when it is done, else a sentence for that person: when somebody was
 * faster, the server's, which names who and when. The new state itself comes by the WebSocket, never from here.
 */
export async function acknowledge(id: string, by: string): Promise<string> {
  try {
    const answer = await fetch(`/api/v1/alerts/${encodeURIComponent(id)}/acknowledge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ by: by.normalize('NFC') }),
      signal: AbortSignal.timeout(10_000),
    });
    if (answer.ok) return '';
    const body = (await answer.json().catch(() => null)) as { error?: { message?: string } } | null;
    return body?.error?.message ?? `${say('failed')}: HTTP ${answer.status}`;
  } catch {
    return say('failed');
  }
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
