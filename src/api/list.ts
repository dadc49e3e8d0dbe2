import type { FastifyReply, FastifyRequest } from "fastify";
import { paginate, parseRange, type SortKeys } from "./range.ts";

/**
 * Answers a list: the page that the request's `Range` asks for, with `Accept-Ranges`, `Content-Range` and, when more follows,
 * `Next-Range` and status 206. `keys` names the attributes a client may sort by, the default first.
 */
export function sendList<Item extends { id: string }>(
  request: FastifyRequest,
  reply: FastifyReply,
  items: readonly Item[],
  keys: SortKeys<Item>,
): Item[] {
  const sortable: SortKeys<Item> = { ...keys, id: (item) => item.id };
  const attributes = Object.keys(sortable);
  const header = request.headers.range;
  const page = paginate(items, parseRange(header, attributes), sortable, (item) => item.id);
  void reply.header("accept-ranges", attributes.join(", ")).header("content-range", page.contentRange);
  if (page.nextRange !== null) void reply.status(206).header("next-range", page.nextRange);
  return page.items;
}
