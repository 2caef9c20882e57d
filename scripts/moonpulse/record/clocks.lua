--- The clocks of a run: how an instant is written into its journal, and a wall clock that jumps meanwhile.
--
-- Moonpulse times by the monotonic clock, which nothing sets. The wall clock is for people, and somebody (or
-- a time server) may set it while a run goes on: then two times of the journal are not as far apart as they
-- say. So the distance of the two clocks is looked at, and a step is named.
local core = require "moonpulse.core"

local M = {}

local second_ns = 1000000000
local look_ns = second_ns       -- so often
-- A step of a time server is 128 ms and more (ntpd(8)); what is less is slewed, at most by a twelfth
-- (chrony.conf(5), maxslewrate), and looks like this much in a second.
local step_ns = 100000000

--- A wall clock's time with its zone, to the microsecond: 2026-11-27T20:50:21.000123+01:00.
---@param wall_ns integer since 1970
---@return string
function M.text(wall_ns)
  local seconds = wall_ns // second_ns
  local zone = os.date("%z", seconds)
  return ("%s.%06d%s:%s"):format(os.date("%Y-%m-%dT%H:%M:%S", seconds), wall_ns % second_ns // 1000,
    zone:sub(1, 3), zone:sub(4, 5))
end

--- What M.text wrote, in nanoseconds since 1970; nil: that was not written by it.
---@param text any
---@return integer?
function M.ns_of(text)
  local year, month, day, hour, minute, second, us, sign, zone_h, zone_m = tostring(text):match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)%.(%d%d%d%d%d%d)([+-])(%d%d):(%d%d)$")
  if not year then
    return nil
  end
  local march = (month + 9) % 12 -- years begin in March, so that the day of leap years is their last
  local y = math.tointeger(year) - (march >= 10 and 1 or 0)
  local days = y * 365 + y // 4 - y // 100 + y // 400 + (153 * march + 2) // 5 + day - 719469
  local zone = (zone_h * 60 + zone_m) * (sign == "-" and -60 or 60)
  return math.tointeger(days * 86400 + hour * 3600 + minute * 60 + second - zone) * second_ns + us * 1000
end

--- Now, as a journal has it.
---@param ago_ns integer? so long before now
---@return string? nil: in virtual time nothing is done at any time of a wall clock
function M.now(ago_ns)
  if not core.is_virtual() then
    return M.text(core.wall_ns() - (ago_ns or 0))
  end
end

--- Both clocks at one instant: the monotonic one is read before and after.
local function read_both()
  local wall_ns, clock_ns, apart
  for _ = 1, 5 do -- whoever is held up in between reads again
    local before = core.real_ns()
    wall_ns, clock_ns = core.wall_ns(), core.real_ns()
    apart = clock_ns - before
    if apart < 1000000 then
      break
    end
  end
  return wall_ns, clock_ns - apart // 2
end

---@class moonpulse.ClockJump
---@field at string when it was seen, by the wall clock as it is now
---@field clock_ns integer the same by the monotonic clock
---@field old string what the wall clock would have shown without it
---@field new string what it showed
---@field by_s number how far it jumped; below 0: back

---@class moonpulse.ClockWatch
---@field jumps moonpulse.ClockJump[] those that were seen
---@field wall_ns integer since 1970, as it began
---@field clock_ns integer the same by the monotonic clock
---@field offset_ns integer how far the first is ahead of the second, when it was looked at last
---@field looked_ns integer when that was, by the monotonic clock
local Watch = {}
Watch.__index = Watch

--- Watch the wall clock from now on.
---@return moonpulse.ClockWatch
function M.watch()
  local wall_ns, clock_ns = read_both()
  return setmetatable({ jumps = {}, wall_ns = wall_ns, clock_ns = clock_ns, offset_ns = wall_ns - clock_ns,
    looked_ns = clock_ns }, Watch)
end

--- Has it jumped since the last look? Cheap: it looks once a second, unless it must. A computer that slept
--- counts as a jump, for its monotonic clock stood still.
---@param must boolean? look now, as at the end of a run
---@return moonpulse.ClockJump? jump
function Watch:look(must)
  local elapsed_ns = core.real_ns() - self.looked_ns
  if not must and elapsed_ns < look_ns then
    return nil
  end
  local wall_ns, clock_ns = read_both()
  local by_ns = wall_ns - clock_ns - self.offset_ns
  self.looked_ns, self.offset_ns = clock_ns, wall_ns - clock_ns
  if math.abs(by_ns) < step_ns + elapsed_ns // second_ns * step_ns then -- a loop may look later
    return nil
  end
  local jump = { at = M.text(wall_ns), clock_ns = clock_ns, old = M.text(wall_ns - by_ns),
    new = M.text(wall_ns), by_s = by_ns / second_ns }
  table.insert(self.jumps, jump)
  return jump
end

--- What a manifest says of the clocks: both at the start and now, how far they moved apart, and the jumps.
---@return { start: table, ["end"]: table, moved_apart_s: number, jumps: table[] }
function Watch:facts()
  local wall_ns, clock_ns = read_both()
  local jumps = {}
  for i, jump in ipairs(self.jumps) do
    jumps[i] = { at = jump.at, old = jump.old, new = jump.new, by_s = jump.by_s }
  end
  return {
    start = { wall = M.text(self.wall_ns), monotonic_ns = tostring(self.clock_ns) },
    ["end"] = { wall = M.text(wall_ns), monotonic_ns = tostring(clock_ns) },
    moved_apart_s = (wall_ns - clock_ns - self.wall_ns + self.clock_ns) / second_ns, jumps = jumps,
  }
end

--- A jump in words.
---@param jump moonpulse.ClockJump
---@return string
function M.words(jump)
  return ("this computer's clock jumped %s by %.3f s during the run (it showed %s, and should have shown %s; "
    .. "or the computer slept): pulses are timed by another clock, which nothing sets"):format(
    jump.by_s < 0 and "back" or "ahead", math.abs(jump.by_s), jump.new, jump.old)
end

return M
