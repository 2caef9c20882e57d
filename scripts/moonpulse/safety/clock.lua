--- Times as records have them.
local M = {}

--- Days from 1970-01-01 to a date of the Gregorian calendar (years begin in March, so that the day that
--- leap years have more is their last).
local function days(year, month, day)
  year = month <= 2 and year - 1 or year
  local era, month_from_march = year // 400, (month + 9) % 12
  local of_era = year - era * 400
  local of_year = (153 * month_from_march + 2) // 5 + day - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

--- "2026-11-25T10:20:30+0100" as seconds since the epoch: at its own offset from universal time (also
--- "+01:00" and "Z"); by this host's clock and zone where it has none.
---@param text any
---@return integer? nil: it is no such time, or none that there is
function M.seconds_of(text)
  local y, mo, d, h, mi, s, zone = tostring(text):match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)[%.%d]*(.*)$")
  if not y then
    return nil
  end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if zone == "Z" then
    sign, hours, minutes = "+", 0, 0
  end
  y, mo, d, h, mi, s = math.tointeger(y), math.tointeger(mo), math.tointeger(d), math.tointeger(h),
    math.tointeger(mi), math.tointeger(s)
  if mo < 1 or mo > 12 or d < 1 or d > 31 or h > 23 or mi > 59 or s > 60 then
    return nil
  end
  if not sign then
    return os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s }
  end
  local offset = (math.tointeger(hours) * 60 + math.tointeger(minutes)) * 60
  return days(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - (sign == "-" and -offset or offset)
end

--- The same to the microsecond, for the order of what began within one second.
---@param text any
---@return integer? microseconds since the epoch; nil: it is no such time
function M.micros_of(text)
  local seconds = M.seconds_of(text)
  local digits = seconds and tostring(text):match("^[^.]*%.(%d+)") or ""
  return seconds and seconds * 1000000 + math.tointeger((digits .. "000000"):sub(1, 6)) or nil
end

--- Are two instants on the same day, by this host's clock?
---@param a number seconds since the epoch
---@param b number
---@return boolean
function M.same_day(a, b)
  return M.day(a) == M.day(b)
end

--- The day of an instant, by this host's clock.
---@param at number seconds since the epoch
---@return string
function M.day(at)
  return tostring(os.date("%Y-%m-%d", at // 1 | 0))
end

--- Text without spaces around it.
---@param text string
---@return string
function M.trim(text)
  return text:match("^%s*(.-)%s*$")
end

return M
