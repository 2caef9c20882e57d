--- What a participant had before: from the records of earlier runs.
local lfs = require "lfs"
local read = require "moonpulse.report.record"

local M = {}

local DAY = 24 * 3600

--- "2026-11-25T10:20:30..." as seconds since the epoch, by this host's clock and zone.
local function seconds_of(text)
  local y, mo, d, h, mi, s = tostring(text):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not y then
    return nil
  end
  local at = os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s }
  if text:find("Z$") or text:find("%+00:?00$") then -- written in universal time
    at = at + os.difftime(os.time(), os.time(os.date("!*t"))) // 1
  end
  return at
end

local function same_day(a, b)
  return os.date("%Y-%m-%d", math.tointeger(a)) == os.date("%Y-%m-%d", math.tointeger(b))
end

local function number(manifest, key)
  local value = read.get(manifest, key)
  return type(value) == "number" and value or nil
end

--- Add up the pulses of a participant's runs in folder. A run without a result counts with all that
--- it planned: what was sent is never lost.
---@param folder string where run folders are
---@param participant string
---@param now integer? seconds since the epoch
---@return { day: integer, week: integer, sessions: integer, last_end_s: number?, unreadable: string[]? }
---   unreadable: manifests that say nothing, so that their pulses are missing
function M.of(folder, participant, now)
  now = now or os.time()
  local sum = { day = 0, week = 0, sessions = 0 }
  if lfs.attributes(folder, "mode") ~= "directory" then
    return sum
  end
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name .. "/manifest.json"
    local is_there = lfs.attributes(path, "mode") == "file"
    local manifest = is_there and read.manifest(path)
    if is_there and not manifest then
      sum.unreadable = sum.unreadable or {}
      table.insert(sum.unreadable, path)
    end
    local at = manifest and read.get(manifest, "participant") == participant
      and not read.get(manifest, "device.simulated") and seconds_of(read.get(manifest, "started"))
    if at and at <= now then
      local pulses = number(manifest, "result.pulses_sent") or number(manifest, "protocol.pulses") or 0
      sum.sessions = sum.sessions + 1
      sum.day = sum.day + (same_day(at, now) and pulses or 0)
      sum.week = sum.week + (now - at < 7 * DAY and pulses or 0)
      local ended = at + (number(manifest, "result.elapsed_s") or 0)
      sum.last_end_s = math.max(0, math.min(sum.last_end_s or math.huge, now - ended))
    end
  end
  return sum
end

return M
