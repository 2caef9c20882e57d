--- What is known of each device apart from its driver, so that the driver is not its own judge: what can be
--- asked of it, how far apart its pulses must be, on which grid its intensities lie.
---
--- rates, bursts: Hz as { numerator, denominator }; rests: seconds; most: pulses of a train; least_s: between
--- two pulses that we send, of the intensity in %MSO; latency_s: from the command to the pulse (edge_s: from
--- an edge), as the sources in docs/ have it; clock_ns: how far its own clock may be off; arms: it says when
--- it is armed; tells: it can say that it is disarmed; settings: options that it is given;
--- grid: of its intensities in %MSO (1); completes: more bytes of its command than these may fire with
--- whatever comes next; safe: the frame that makes it harmless, in hex; of_pulse: how the reply begins that
--- tells of a pulse and answers no setting; session: pulses of a long one (60 to 600); silent_s: after so
--- long without a command it gives remote control up, and ignores what comes then; idle_s: so long after a
--- pulse it disarms itself; settles_ns: so long after its safe frame came it may give a pulse that was
--- commanded before, as it takes one message a cycle; lead_s: from the first bit of a pulse's command to the
--- pulse.
local M = {}

local seconds = { 0.5, 1, 1.5, 2, 5, 8 }
local slow_seconds = { 4, 4.5, 5, 6, 9 }

local function every(s)
  return function() return s end
end

local function magstim_s(mso)
  return mso < 50 and 2 or mso < 80 and 3 or 4
end

--- By the driver's name.
---@type table<string, table>
M.known = {
  magventure = { rates = { { 1, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 10, 1 }, { 20, 1 }, { 7, 3 } },
    bursts = { { 50, 1 }, { 30, 1 }, { 100, 1 } }, rests = seconds, most = 30, least_s = every(0.01),
    latency_s = 0, edge_s = 0, clock_ns = 2000, arms = true, tells = true, sets = true, trigger = true,
    lead_s = 50 / 38400, safe = "fe02020091ff", proof = "read", session = { 2000, 16000 }, confirms = true,
    of_pulse = "^\xFE\x04\x02" },
  magstim200 = { rates = { { 1, 4 }, { 1, 5 }, { 2, 9 } }, rests = slow_seconds, most = 8,
    least_s = magstim_s, latency_s = 0.0084, edge_s = 0.0011, clock_ns = 2000, arms = true, tells = true,
    sets = true, trigger = true, safe = "454179", proof = "read", confirms = true, silent_s = 1, idle_s = 60,
    lead_s = 30 / 9600 + 0.0084 },
  bistim = { rates = { { 1, 4 }, { 1, 5 }, { 2, 11 } }, rests = slow_seconds, most = 8, least_s = every(4),
    latency_s = 0.0084, edge_s = 0.0011, clock_ns = 2000, arms = true, tells = true, sets = true,
    trigger = true, pairs = { 0.001, 0.0025, 0.01, 0.02 }, safe = "454179", proof = "read", confirms = true,
    silent_s = 1, idle_s = 60, lead_s = 30 / 9600 + 0.0084 },
  rapid = { rates = { { 1, 1 }, { 1, 1 }, { 1, 2 }, { 2, 3 }, { 9, 10 } },
    own = { { 5, 1 }, { 10, 1 }, { 20, 1 } }, rests = { 5, 8, 10 }, most = 20, least_s = every(1),
    latency_s = 0.0051, edge_s = 0.001, clock_ns = 1000000, arms = true, tells = true, sets = true,
    trigger = true, safe = "454179", proof = "read", confirms = true, silent_s = 1,
    idle_s = 60, lead_s = 30 / 9600 + 0.0051 },
  duomag = { rates = { { 1, 1 }, { 1, 2 }, { 2, 3 } }, rests = { 1, 2, 5 }, most = 20, least_s = every(1),
    latency_s = 0, clock_ns = 2000, sets = true, lead_s = 22e-6, safe = "0000",
    proof = "read" },
  pulsepal = { rates = { { 1, 1 }, { 1, 1 }, { 5, 1 }, { 10, 1 }, { 20, 1 } }, bursts = { { 50, 1 } },
    rests = seconds, most = 30, least_s = every(0.01), latency_s = 0, clock_ns = 110000, arms = true,
    outputs = { "1", "2" }, completes = 1, settings = { full_scale_volts = "10" }, grid = 100 / 32768,
    lead_s = 0.0001525, safe = "d550", settles_ns = 200000, proof = "none" },
  stimjim = { rates = { { 1, 1 }, { 1, 1 }, { 5, 1 }, { 10, 1 }, { 20, 1 } }, rests = seconds, most = 30,
    least_s = every(0.01), latency_s = 0, clock_ns = 2000, outputs = { "0", "1" }, completes = 0,
    settings = { full_scale_mv = "10000" }, grid = 0.01, safe = "0a542d310a552d310a", proof = "none",
    lead_s = 2.5e-6, confirms = true },
  trigger = { rates = { { 1, 1 }, { 1, 1 }, { 2, 1 }, { 10, 1 }, { 20, 1 } }, bursts = { { 50, 1 } },
    rests = seconds, most = 30, least_s = every(0.01), latency_s = 0, clock_ns = 2000, by_hand = true,
    any_intensity = true, lead_s = 10 / 115200, safe = "00", proof = "none" },
}

--- All of them, in the order in which a seed picks.
M.names = { "magventure", "magstim200", "bistim", "rapid", "duomag", "pulsepal", "stimjim", "trigger" }

--- The one whose simulator is quickest to play: it has most of the time that is explored.
M.quickest = "magventure"

--- What a pulse of so many %MSO is on the device's grid.
---@param facts table of M.known
---@param exact number
---@return number
function M.on_grid(facts, exact)
  local step = facts.grid or 1
  return math.floor(exact / step + 0.5) * step
end

return M
