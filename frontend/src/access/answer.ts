/** What center answers to a request: what was asked for, or why not. */
export type Answer<T> = { ok: true; body: T } | Refusal;

export interface Refusal {
  ok: false;
  /** HTTP status; 0 when nothing came back. */
  status: number;
  /** Center's stable word for the reason; `no_answer` when nothing came back. */
  code: string;
  /** Center's own sentence, in English. */
  sentence: string;
  /** After so many seconds one may try again; 0 when nothing is said. */
  waitS: number;
}

export type Ask = <T>(method: string, path: string, body?: unknown, csrf?: string | null) => Promise<Answer<T>>;

const PATIENCE_MS = 15_000;

/** One request under /api/v1. Never throws: no answer is an answer too. */
export const ask: Ask = async <T>(method: string, path: string, body?: unknown, csrf?: string | null) => {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (csrf) headers['x-csrf-token'] = csrf;
  try {
    const answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.ok) return { ok: true, body: (answer.status === 204 ? null : await answer.json()) as T };
    return await refusal(answer);
  } catch {
    return { ok: false, status: 0, code: 'no_answer', sentence: '', waitS: 0 };
  }
};

async function refusal(answer: Response): Promise<Refusal> {
  const body = (await answer.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
  return {
    ok: false,
    status: answer.status,
    code: body?.error?.code ?? `http_${answer.status}`,
    sentence: body?.error?.message ?? `HTTP ${answer.status}`,
    waitS: Math.max(0, Number(answer.headers.get('retry-after') ?? 0) || 0),
  };
}
