// The smallest program of a frontend: it must compile strictly against the generated types.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Community = components["schemas"]["Community"];

const api = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

export async function everyCommunity(key: string): Promise<Community[]> {
  const headers = { Authorization: `Bearer ${key}` };
  const all: Community[] = [];
  let cursor: string | undefined;
  do {
    const query = cursor === undefined ? {} : { cursor };
    const { data, error } = await api.GET("/api/v1/communities/", { headers, params: { query } });
    if (error !== undefined) throw new Error(`${error.code}: ${error.detail}`);
    all.push(...data.results);
    cursor = data.next === null ? undefined : cursorOf(data.next);
  } while (cursor !== undefined);
  return all;
}

function cursorOf(address: string): string | undefined {
  return new URL(address).searchParams.get("cursor") ?? undefined;
}
