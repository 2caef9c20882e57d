--- What is drawn for a device: rates, rests and groups among which most are within what it does. A
--- plan beyond is refused, which is right, and tests nothing else.
--
-- rates, bursts, group_rates: Hz as fractions. rests, isis, more (how much a drawn rest may be longer),
-- apart (between two channels): seconds. most: pulses of a train. groups: "bursts" or "pairs". only: the
-- kinds of parts, where not all are drawn that the numbers allow.
local M = {}

local seconds = { { 1, 2 }, { 1, 1 }, { 3, 2 }, { 2, 1 }, { 7, 3 }, { 5, 1 } }

local fast = {
  rates = { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 5, 1 }, { 6, 1 }, { 7, 1 }, { 10, 1 }, { 11, 1 }, { 20, 1 },
    { 25, 1 } },
  rests = seconds, more = { { 1, 4 }, { 1, 1 }, { 3, 1 } }, most = 12,
}

--- A pace with other numbers.
function M.with(pace, more)
  return setmetatable(more, { __index = pace })
end

local with = M.with

local bursts = with(fast, { bursts = { { 20, 1 }, { 40, 1 }, { 50, 1 }, { 100, 1 } }, groups = "bursts",
  group_rates = { { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 1 } } })
local quick = with(bursts, { isis = { { 1, 50 }, { 1, 40 }, { 1, 100 }, { 1, 5 } } })
local slow_rests = { { 4, 1 }, { 9, 2 }, { 5, 1 }, { 19, 4 }, { 7, 1 } }
local slow = { rates = { { 1, 4 }, { 1, 5 }, { 2, 9 }, { 1, 6 } }, rests = slow_rests, most = 5,
  more = { { 1, 2 }, { 2, 1 } } }
local pairs_of = with(slow, { groups = "pairs", group_rates = { { 1, 5 }, { 2, 11 }, { 1, 6 } },
  isis = { { 1, 1000 }, { 5, 2000 }, { 1, 100 }, { 3, 1000 }, { 1, 20 } } })
local second = { rates = { { 1, 1 }, { 1, 2 }, { 2, 3 }, { 9, 10 }, { 4, 5 } }, most = 8,
  rests = { { 1, 1 }, { 3, 2 }, { 2, 1 }, { 7, 3 }, { 5, 1 } }, more = { { 1, 4 }, { 1, 1 }, { 3, 1 } } }

--- Of pulses that a Rapid times: a pause behind each train.
local trains = { rates = { { 1, 1 }, { 5, 1 }, { 8, 1 }, { 10, 1 }, { 11, 1 }, { 20, 1 } }, most = 12,
  rests = { { 5, 1 }, { 8, 1 }, { 10, 1 }, { 15, 1 } }, more = { { 1, 2 }, { 2, 1 } } }

-- What devices time by themselves: on their grids.
local even = with(bursts, {
  rates = { { 1, 1 }, { 2, 1 }, { 4, 1 }, { 5, 1 }, { 8, 1 }, { 10, 1 }, { 20, 1 }, { 25, 1 } },
  group_rates = { { 2, 1 }, { 4, 1 }, { 5, 1 } },
  only = { "pulse", "train", "train", "ramp", "ramp", "rates", "burst", "groups", "mixed", "theta_burst",
    "jittered" },
})
local even_rates = with(even, { only = { "pulse", "train", "train", "ramp", "ramp", "rates", "jittered" } })
local only_pairs = with(pairs_of, { only = { "pulse", "pair", "groups", "mixed" } })
local tenths = with(trains, { rates = { { 1, 1 }, { 5, 1 }, { 10, 1 } },
  only = { "train", "train", "ramp", "rates" } })

--- A pace with two channels.
function M.outputs(pace, one, other)
  local only = pace.only and { "coils", "two_channels", "two_channels", table.unpack(pace.only) }
  return with(pace, { channels = { one, other }, only = only,
    apart = { { 1, 100 }, { 1, 3 }, { 3, 50 }, { 1, 1 } } })
end

local outputs = M.outputs

local hand = with(quick, { one_intensity = true }) -- set by hand: one for all

--- Two coils, for devices that have one.
M.coils = with(outputs(slow, "left", "right"), { only = { "coils" } })

--- The intensities of a Pulse Pal whose 100 %MSO are so many volts (a whole number): its converter has 32768
--- steps in 10 V, of which the last is not there.
function M.volts_grid(volts)
  return { num = 32768 * math.tointeger(tonumber(volts)), den = 10, most = 32767 }
end

--- The intensities of a StimJim whose 100 %MSO are so many mV or uA: it takes whole ones.
function M.units_grid(units)
  return { num = math.tointeger(tonumber(units)), den = 1 }
end

--- By driver. in_simulator: the latency passes in the simulator, whose times are the pulses' own.
--- own: what is drawn with its own timing. grid: of its intensities (oracle.rows).
M.devices = {
  { name = "magventure", trigger = true, paces = { fast, bursts, quick, second },
    own = { even, even_rates } },
  { name = "magstim200", trigger = true, paces = { slow }, own = { slow } },
  { name = "bistim", trigger = true, paces = { slow, pairs_of, pairs_of }, own = { only_pairs } },
  { name = "rapid", trigger = true, paces = { second, tenths, trains }, own = { tenths } },
  { name = "duomag", paces = { second }, own = { second } },
  { name = "pulsepal", settings = { full_scale_volts = "10" }, grid = M.volts_grid "10", in_simulator = true,
    paces = { fast, quick, outputs(fast, "1", "2") },
    own = { even, even_rates, outputs(even_rates, "1", "2") } },
  { name = "stimjim", settings = { full_scale_mv = "10000" }, grid = M.units_grid "10000",
    paces = { fast, second, outputs(fast, "0", "1") },
    own = { even_rates, outputs(even_rates, "0", "1") } },
  { name = "trigger", grid = { num = 100, den = 1 }, paces = { hand }, own = { hand } },
}

M.timings = { "host", "device", "auto", "trigger" }

return M
