import type { Bilingual } from '../protocol/messages';

/** What the page needs to know of /api/v1/sectors: how often each metric should come, and how it is written. */
export interface MetricFacts {
  cadenceS: number;
  decimals: number;
  unit: string;
  short: Bilingual;
}

export type Catalogue = ReadonlyMap<string, MetricFacts>;

interface SectorJson {
  sector?: string;
  name?: string;
  metrics?: Record<string, MetricJson> | MetricJson[];
}
interface MetricJson {
  name?: string;
  metric?: string;
  cadence_s?: number;
  decimals?: number;
  unit?: string;
  short?: Bilingual;
  label?: Bilingual;
}

/** Keys are "sector/metric". Takes a list or {sectors: […]}; what it does not understand it leaves out. */
export function readCatalogue(body: unknown): Catalogue {
  const list = Array.isArray(body) ? body : ((body as { sectors?: unknown } | null)?.sectors ?? []);
  const facts = new Map<string, MetricFacts>();
  for (const entry of (Array.isArray(list) ? list : Object.values(list as object)) as SectorJson[]) {
    const sector = entry.sector ?? entry.name;
    const metrics = Array.isArray(entry.metrics)
      ? entry.metrics
      : Object.entries(entry.metrics ?? {}).map(([name, metric]) => ({ name, ...metric }));
    for (const metric of metrics) {
      const name = metric.metric ?? metric.name;
      if (sector === undefined || name === undefined || metric.cadence_s === undefined) continue;
      const short = metric.short ?? metric.label ?? { vi: name, en: name };
      facts.set(`${sector}/${name}`, { cadenceS: metric.cadence_s, decimals: metric.decimals ?? 0, unit: metric.unit ?? '', short });
    }
  }
  return facts;
}

/** Waits at most `timeoutMs`: without a catalogue the wall still shows everything else. */
export async function fetchCatalogue(timeoutMs: number): Promise<Catalogue> {
  try {
    const answer = await fetch('/api/v1/sectors', { signal: AbortSignal.timeout(timeoutMs) });
    return answer.ok ? readCatalogue(await answer.json()) : new Map();
  } catch {
    return new Map();
  }
}
