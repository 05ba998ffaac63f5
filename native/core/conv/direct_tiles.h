/* One product of one panel, for some source channels: tiles over its boxes, from the grid to the stage or the result.
 */
#ifndef CONVKIT_CONV_DIRECT_TILES_H
#define CONVKIT_CONV_DIRECT_TILES_H

#include "../gemm/copy.h"
#include "../gemm/move_block.h"
#include "../gemm/tile_fetch.h"
#include "direct_boxes.h"
#include "direct_rows.h"

namespace convkit {

/* What tiles read: the copy, or the source itself. */
template <typename T>
struct DirectGrid {
  const T *data;
  int64_t left;  /* elements from `data` to the end of what may be read */
  bool fetches;  /* each tile what a later one will read */
  T *tail;       /* room for the copy of a tile of the source */
  int64_t pixel; /* from pixel to pixel; more than 1: each tile turns its own */

  DirectGrid at(int64_t offset) const { return {data + offset, left - offset, fetches, tail, pixel}; }
};

/* Rows of a panel in the stage or the result; what finishes them, or null. */
template <typename T>
struct DirectRows {
  int64_t rows;
  const Epilogue<T> *epilogue;
  T *c;
};

/* Packed weights of some source channels, the first of the grid; `next` as in multiply_box. */
template <typename T>
struct DirectBlock {
  const T *weights;
  int64_t next, channel, channels;
};

template <typename T>
class DirectTiles {
 public:
  DirectTiles(const DirectForm &form, const MapSteps &result, const TileSet<T> &tile_set, const DepthwiseSet<T> &rows)
      : f(form), out(result), tiles(tile_set), row_tiles(rows) {}

  /* All positions of the band. What finishes the rows does so with the last of the source channels. */
  void multiply(const DirectProduct &p, const DirectBlock<T> &block, DirectRows<T> to,
                const DirectGrid<T> &grid) const {
    Steps steps = {f.pixels_in_lanes ? 1 : f.stage_step, 0, 0, 0};
    steps.y = f.pitch * steps.x, steps.z = f.stage_plane * steps.x;
    steps.row = f.pixels_in_lanes ? f.line_products * f.stage_step : 1;
    if (f.in_place) {
      steps.x = out.pixel;
      steps.y = f.axes[1].residues * f.axes[2].result * steps.x;
      steps.z = f.axes[0].residues * depth_step(f, out, f.axes[1].result * f.axes[2].result);
      if (f.axes[1].count * f.axes[2].count == 1) steps.x = steps.z; /* runs may go over images only */
      steps.row = out.channel;
    }
    if (block.channel + block.channels < f.channels) to.epilogue = nullptr;
    /* The box with all taps, if there is one, fetches the next weights. */
    const DirectBox *fetching = p.boxes;
    for (int64_t i = 1; i < p.box_count; ++i) fetching = p.boxes[i].taps > fetching->taps ? p.boxes + i : fetching;
    for (int64_t i = 0; i < p.box_count; ++i) {
      const DirectBox &box = p.boxes[i];
      if (f.by_rows) {
        const RowsWork<T> work = {block.weights, grid.data, to.c, steps.z, steps.y, steps.x, to.epilogue};
        multiply_rows(f, p, box, work, row_tiles, tiles.lanes);
        continue;
      }
      TileCall<T> call = {};
      call.depth = block.channels * box.taps;
      call.continues = block.channel > 0;
      call.period = p.channels * box.taps;
      TileSide<T> &pixels = f.pixels_in_lanes ? call.b : call.a;
      pixels = by_table<T>(box.table, p.channels * f.channel_size);
      (f.pixels_in_lanes ? call.a : call.b) =
          box.gaps ? by_table<T>(box.gaps, p.channels * p.taps * f.panels.step) : by_step<T>(f.panels.step);
      call.epilogue = to.epilogue;
      call.c_step = f.pixels_in_lanes ? steps.row : steps.x;
      multiply_box(call, box, block.weights, &box == fetching ? block.next : 0, to.rows, grid, to.c, steps);
    }
  }

 private:
  /* Steps of the result along x, y, z, and from row to row of the product. */
  struct Steps {
    int64_t x, y, z, row;
  };

  /* `next`: elements of these weights, if those of a block like this follow them and shall be fetched; else 0. */
  void multiply_box(const TileCall<T> &call, const DirectBox &box, const T *weights, int64_t next, int64_t rows,
                    const DirectGrid<T> &grid, T *c, const Steps &steps) const {
    const Range &zs = box.positions[0], &ys = box.positions[1], &xs = box.positions[2];
    const int64_t width = xs.end - xs.begin, height = ys.end - ys.begin;
    const int64_t runs = f.joined ? 1 : height, depths = f.stacked ? 1 : zs.end - zs.begin;
    int64_t length = f.joined ? (height - 1) * f.pitch + width : width;
    if (f.stacked) length += (zs.end - zs.begin - 1) * f.grid[1] * f.pitch;
    const int64_t tile = f.pixels_in_lanes ? f.vectors * tiles.lanes : balanced(length, f.height);
    TileFetch<T> fetch;
    if (next > 0) {
      fetch = TileFetch<T>::of_weights(weights + next, next, call.depth, depths * runs * ceil_div(length, tile));
    }
    for (int64_t z = zs.begin; z < zs.begin + depths; ++z) {
      for (int64_t y = ys.begin; y < ys.begin + runs; ++y) {
        const DirectGrid<T> from = grid.at((z * f.depth_size + y * f.pitch + xs.begin) * grid.pixel);
        T *const to = c + z * steps.z + y * steps.y + xs.begin * steps.x;
        /* One tap: a term is a channel. */
        if (grid.fetches) fetch = TileFetch<T>::of_run(from.data, tile, f.channel_size);
        if (f.pixels_in_lanes) {
          run_pixels(call, weights, rows, length, tile, from, to, &fetch);
        } else {
          run_channels(call, weights, rows, length, tile, from.data, to, &fetch);
        }
      }
    }
  }

  void run_pixels(TileCall<T> call, const T *weights, int64_t rows, int64_t length, int64_t widest,
                  const DirectGrid<T> &from, T *to, TileFetch<T> *fetch) const {
    const int64_t last_channel = (call.depth - 1) * f.channel_size;
    call.a.at = weights;
    for (int64_t i = 0; i < length; i += widest) {
      const int64_t columns = smaller(widest, length - i);
      fetch->next_tile(&call);
      call.b.at = from.data + i;
      call.c = to + i;
      call.columns = static_cast<int32_t>(columns);
      if (from.pixel > 1) {
        turn_tile(columns, from.data + i * from.pixel, from, &call);
      } else if (f.reads_source && last_channel + i + round_up(columns, tiles.lanes) > from.left) {
        copy_tail(columns, from.tail, &call);
      }
      tiles.tiles[(rows - 1) * kMostVectors + ceil_div(columns, tiles.lanes) - 1](&call);
    }
  }

  /* The columns of a tile of a source in place, where whole vectors would be read behind its end. One tap: a term is a
   * channel. */
  void copy_tail(int64_t columns, T *tail, TileCall<T> *call) const {
    for (int64_t k = 0; k < call->depth; ++k) {
      copy_run(call->b.at + k * f.channel_size, columns, tail + k * f.tail_width);
    }
    read_tail(tail, call);
  }
  void turn_tile(int64_t columns, const T *pixels, const DirectGrid<T> &from, TileCall<T> *call) const {
    turn_block(columns, call->depth, pixels, from.pixel, from.tail, f.tail_width, columns * from.pixel);
    read_tail(from.tail, call);
  }
  void read_tail(const T *tail, TileCall<T> *call) const {
    call->b = by_table<T>(kNoOffset, f.tail_width);
    call->b.at = tail;
    call->period = 1;
  }

  void run_channels(TileCall<T> call, const T *weights, int64_t rows, int64_t length, int64_t tallest, const T *from,
                    T *to, TileFetch<T> *fetch) const {
    const int64_t vectors = ceil_div(rows, tiles.lanes);
    call.b.at = weights;
    call.columns = static_cast<int32_t>(rows);
    for (int64_t i = 0; i < length; i += tallest) {
      const int64_t height = smaller(tallest, length - i);
      fetch->next_tile(&call);
      call.a.at = from + i;
      call.c = to + i * call.c_step;
      tiles.tiles[(height - 1) * kMostVectors + vectors - 1](&call);
    }
  }

  const DirectForm &f;
  const MapSteps &out;
  const TileSet<T> &tiles;
  const DepthwiseSet<T> &row_tiles;
};

}  // namespace convkit
#endif
