// Attention by warpgroups: what attention_resident.cu and attention_streamed.cu have in common. A warpgroup has 64 query rows; lane l of its
// warp w holds rows 16 w + l / 4 and 8 more, columns 2 (l % 4) and the next one of every 8.
#pragma once

#include "cluster.cuh"
#include "device.cuh"
#include "head_panels.cuh"
#include "math.cuh"
#include "reduce.cuh"
#include "wgmma.cuh"

constexpr u32 kWarpgroupRows = 64;

/// What both kernels are given.
struct WarpgroupAttentionArgs {
    PanelMaps queries;    // of qkv [batch, tokens, 3 * heads * head dim]: boxes of 64 rows
    PanelMaps keys;       // of qkv: boxes of as many rows as one product takes
    PanelMaps context;    // of context [batch, query_tokens, heads * head dim]: boxes of 16 rows
    u32 tokens;
    u32 query_tokens;
    u32 heads;
    float scale;          // log2(e) / sqrt(head dim)
};

/// Scores of 64 queries and kKeys keys. An instruction takes 256 keys at most: more are two halves.
template <u32 kKeys>
struct WarpgroupScores {
    static constexpr u32 kParts = kKeys > 256 ? 2 : 1;
    static constexpr u32 kPartKeys = kKeys / kParts;
    static_assert(kKeys % 16 == 0 && kPartKeys % 8 == 0);
    float c[kParts][kPartKeys / 2];

    /// That of key 8 `group` + 2 (l % 4) + e % 2, row l / 4 + 8 (e / 2).
    DEVICE_MEMBER float& at(u32 group, u32 e) { return c[group / (kPartKeys / 8)][4 * (group % (kPartKeys / 8)) + e]; }
};

template <u32 kHeadDim>
struct WarpgroupContext {
    float wide[max_of(kHeadDim / 64, 1u)][32];
    float narrow[max_of(kHeadDim % 64, 16u) / 2];
};

struct WarpgroupRows {
    float maximum[2];    // of the scores so far, times the scale
    float sum[2];        // this lane's part of the sum of exponentials
};

/// A panel, or from a row or a step of 16 columns of it on, as wgmma's operand: rows along K for queries and keys, along N for values. In
/// both cases 8 rows are 8 spans; a panel is as wide as one product takes, so that there is no next one.
template <u32 kSpan>
DEVICE u64 panel_descriptor(SharedAddress start) {
    constexpr Swizzle kSwizzle = kSpan == 128 ? Swizzle::k128 : kSpan == 64 ? Swizzle::k64 : Swizzle::k32;
    return matrix_descriptor<kSwizzle>(start, 16, 8 * kSpan);
}

/// scores = q k^T: begun here, awaited by the caller.
template <typename T, u32 kHeadDim, u32 kKeys>
DEVICE void multiply_keys(WarpgroupScores<kKeys>& scores, SharedAddress queries, SharedAddress keys) {
    using Panels = HeadPanels<T, kHeadDim>;
    using S = WarpgroupScores<kKeys>;
    wgmma_fence();
    UNROLL for (u32 part = 0; part < S::kParts; part++) {
        UNROLL for (u32 depth = 0; depth < kHeadDim / 16; depth++) {
            u32 panel = depth / 4, key = part * S::kPartKeys, byte = depth % 4 * 32;
            if (panel < Panels::kWide) {
                u64 q = panel_descriptor<128>(queries + Panels::wide_place(kWarpgroupRows, panel, 0) + byte);
                u64 k = panel_descriptor<128>(keys + Panels::wide_place(kKeys, panel, key) + byte);
                wgmma_shared<S::kPartKeys, T>(scores.c[part], q, k, depth != 0);
            } else {
                constexpr u32 kSpan = max_of(Panels::kNarrowSpan, 32u);
                u64 q = panel_descriptor<kSpan>(queries + Panels::narrow_place(kWarpgroupRows, 0) + byte);
                u64 k = panel_descriptor<kSpan>(keys + Panels::narrow_place(kKeys, key) + byte);
                wgmma_shared<S::kPartKeys, T>(scores.c[part], q, k, depth != 0);
            }
        }
    }
    wgmma_commit();
}

template <u32 kKeys>
DEVICE void await(WarpgroupScores<kKeys>& scores) {
    UNROLL for (u32 part = 0; part < WarpgroupScores<kKeys>::kParts; part++) wgmma_wait<0>(scores.c[part]);
}

template <u32 kHeadDim>
DEVICE void await(WarpgroupContext<kHeadDim>& context) {
    UNROLL for (u32 panel = 0; panel < kHeadDim / 64; panel++) wgmma_wait<0>(context.wide[panel]);
    if constexpr (kHeadDim % 64 != 0)
        wgmma_wait<0>(context.narrow);
}

/// Scores of keys from `valid_keys` on become minus infinity.
template <u32 kKeys>
DEVICE void mask_keys(WarpgroupScores<kKeys>& scores, u32 valid_keys) {
    UNROLL for (u32 group = 0; group < kKeys / 8; group++) {
        UNROLL for (u32 e = 0; e < 4; e++) {
            if (8 * group + 2 * (lane_index() % 4) + e % 2 >= valid_keys)
                scores.at(group, e) = minus_infinity();
        }
    }
}

/// What wgmma takes as its first operand from registers: 64 rows and 16 columns in each step.
template <u32 kKeys>
struct WarpgroupWeights {
    u32 words[kKeys / 16][4];
};

/// Takes scores into the rows' maxima and sums, and makes of each the weight 2^(scale * score - maximum). kept is what everything summed
/// before has to be multiplied with.
template <typename T, u32 kKeys>
DEVICE void exponentiate(
    WarpgroupWeights<kKeys>& weights, WarpgroupScores<kKeys>& scores, WarpgroupRows& rows, float (&kept)[2], float scale) {
    float maximum[2];
    UNROLL for (u32 h = 0; h < 2; h++) {
        float block = minus_infinity();
        UNROLL for (u32 group = 0; group < kKeys / 8; group++)
            block = max_float(block, max_float(scores.at(group, 2 * h), scores.at(group, 2 * h + 1)));
        maximum[h] = max_float(rows.maximum[h], lanes_max<4>(block) * scale);
        kept[h] = exp2_approx(rows.maximum[h] - maximum[h]);
        rows.maximum[h] = maximum[h];
        rows.sum[h] *= kept[h];
    }
    // Scores give way to weights of half their size step by step, which is what leaves registers for all of them.
    UNROLL for (u32 step = 0; step < kKeys / 16; step++) {
        UNROLL for (u32 word = 0; word < 4; word++) {
            u32 group = 2 * step + word / 2, h = word % 2;
            float low = exp2_approx(fused_multiply_add(scores.at(group, 2 * h), scale, -maximum[h]));
            float high = exp2_approx(fused_multiply_add(scores.at(group, 2 * h + 1), scale, -maximum[h]));
            rows.sum[h] += low;
            rows.sum[h] += high;
            weights.words[step][word] = pack2<T>(low, high);
        }
    }
}

/// context (+)= weights v: begun here, awaited by the caller.
template <typename T, u32 kHeadDim, u32 kKeys>
DEVICE void multiply_values(WarpgroupContext<kHeadDim>& context, const WarpgroupWeights<kKeys>& weights, SharedAddress values, bool accumulate) {
    using Panels = HeadPanels<T, kHeadDim>;
    wgmma_fence();
    UNROLL for (u32 step = 0; step < kKeys / 16; step++) {
        bool more = step != 0 || accumulate;
        UNROLL for (u32 panel = 0; panel < Panels::kWide; panel++) {
            u64 v = panel_descriptor<128>(values + Panels::wide_place(kKeys, panel, 16 * step));
            wgmma_registers<64, T, true>(context.wide[panel], weights.words[step], v, more);
        }
        if constexpr (Panels::kNarrow != 0) {
            constexpr u32 kSpan = max_of(Panels::kNarrowSpan, 32u);
            u64 v = panel_descriptor<kSpan>(values + Panels::narrow_place(kKeys, 16 * step));
            wgmma_registers<kSpan / 2, T, true>(context.narrow, weights.words[step], v, more);
        }
    }
    wgmma_commit();
}

template <u32 kHeadDim>
DEVICE void scale_context(WarpgroupContext<kHeadDim>& context, const float (&factor)[2]) {
    UNROLL for (u32 panel = 0; panel < kHeadDim / 64; panel++) {
        UNROLL for (u32 i = 0; i < 32; i++) context.wide[panel][i] *= factor[i / 2 % 2];
    }
    UNROLL for (u32 i = 0; i < kHeadDim % 64 / 2; i++) context.narrow[i] *= factor[i / 2 % 2];
}

template <typename T, u32 kSpan, u32 kCount>
DEVICE void stage_panel(SharedAddress panel, const float (&c)[kCount]) {
    UNROLL for (u32 h = 0; h < 2; h++) {
        UNROLL for (u32 group = 0; group < kCount / 4; group++) {
            u32 offset = panel_offset<kSpan>(lane_index() / 4 + 8 * h, group * 16 + lane_index() % 4 * 4);
            store_shared4(panel + offset, pack2<T>(c[4 * group + 2 * h], c[4 * group + 2 * h + 1]));
        }
    }
}

/// The warp's 16 rows of the context, from row `first` of the warpgroup's tile on.
template <typename T, u32 kHeadDim>
DEVICE void stage_context(SharedAddress tile, u32 first, const WarpgroupContext<kHeadDim>& context) {
    using Panels = HeadPanels<T, kHeadDim>;
    UNROLL for (u32 panel = 0; panel < Panels::kWide; panel++)
        stage_panel<T, 128>(tile + Panels::wide_place(kWarpgroupRows, panel, first), context.wide[panel]);
    if constexpr (Panels::kNarrow != 0)
        stage_panel<T, max_of(Panels::kNarrowSpan, 32u)>(tile + Panels::narrow_place(kWarpgroupRows, first), context.narrow);
}
