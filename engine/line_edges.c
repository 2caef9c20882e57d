#include "engine/line_edges.h"

uint8_t mp_line_byte(enum mp_input_line line, bool rises)
{
    static const char rising[] = {[MP_INPUT_NONE] = '-',
                                  [MP_INPUT_CTS] = 'C',
                                  [MP_INPUT_DSR] = 'D',
                                  [MP_INPUT_RI] = 'R',
                                  [MP_INPUT_CD] = 'L'};
    return (uint8_t)(rising[line] + (rises ? 0 : 'a' - 'A'));
}

/* How many edges were counted since the last look. Where it counts from elsewhere now (it began
 * to, or it went back), nobody knows, and the level is all there is. */
static int32_t counted_since(struct mp_line_told *told, const uint32_t *count)
{
    if (count == NULL) // what is counted meanwhile shows when it is given again
        return 0;
    int32_t more = (int32_t)(*count - told->counted);
    if (!told->counts || more < 0 || more > MP_LINE_COUNTED_MOST)
        more = told->ahead = 0;
    told->counts = true;
    told->counted = *count;
    return more;
}

size_t mp_line_look(struct mp_line_told *told, enum mp_input_line line, const uint32_t *count,
                    bool high, uint8_t *bytes)
{
    const int32_t more = counted_since(told, count);
    const int32_t fresh = more - told->ahead;
    size_t edges = fresh > 0 ? (size_t)fresh : 0;
    // each edge changes the level: one that is not counted yet, or never is, shows there
    if ((edges % 2 == 1) != (high != told->high))
        edges++;
    if (told->counts)
        told->ahead += (int32_t)edges - more;
    if (edges > MP_LINE_EDGES_MOST)
        edges = MP_LINE_EDGES_MOST + edges % 2;
    for (size_t i = 0; i < edges; i++) {
        told->high = !told->high;
        bytes[i] = mp_line_byte(line, told->high);
    }
    return edges;
}
