/** How many pictures stand in a row: the most room for each of them, on any screen. */

/**
 * @param {number} count
 * @param {{width: number, height: number}} space  px
 * @param {{gap?: number, ratio?: number}} [options]  `ratio` of a tile's width to its height
 * @returns {{columns: number, width: number, height: number}} of one tile, px; they do not overflow
 */
export function gridFor(count, { width, height }, { gap = 10, ratio = 4 / 3 } = {}) {
  let best = { columns: 1, width: 0, height: 0 };
  let seen = 0;
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const cell = { width: (width - gap * (columns - 1)) / columns, height: (height - gap * (rows - 1)) / rows };
    if (cell.width <= 0 || cell.height <= 0) continue;
    // What is seen of a picture is what fits; a tile may be a good deal wider or taller than that, and no more.
    const picture = Math.min(cell.width, cell.height * ratio);
    if (picture <= seen) continue;
    seen = picture;
    best = {
      columns,
      width: Math.floor(Math.min(cell.width, cell.height * ratio * 1.35)),
      height: Math.floor(Math.min(cell.height, (cell.width / ratio) * 1.6)),
    };
  }
  return best;
}
