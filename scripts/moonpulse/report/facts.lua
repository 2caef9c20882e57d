--- What a manifest says of a run, wherever a version of the record keeps it; nil where it does not say.
local metas = require "moonpulse.record.meta"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get = record.get

--- The first of several paths that holds something to show.
local function first_of(manifest, ...)
  for _, path in ipairs { ... } do
    local value = get(manifest, path)
    if value ~= nil and value ~= "" and type(value) ~= "table" then
      return value
    end
  end
  return nil
end

--- The code of whom it was given to.
---@param manifest table
function M.participant(manifest)
  return first_of(manifest, "participant", "participant.code")
end

--- Who ran it.
---@param manifest table
function M.operator(manifest)
  return first_of(manifest, "operator", "operator.code", "safety.operator", "safety.preflight.operator")
end

--- Which session of the protocol's own schedule it was.
---@param manifest table
---@return string?
function M.session(manifest)
  local number, of = text.number(get(manifest, "session.number")), text.number(get(manifest, "session.of"))
  if number then
    return of and ("%s of %s"):format(text.count(number), text.count(of)) or text.count(number)
  end
  local session = get(manifest, "session")
  return session ~= nil and type(session) ~= "table" and text.value(session) or nil
end

--- The reason for which a limit was passed, by whom, when, and by which approval.
---@param manifest table
---@return { reason: any, by: any, at: any, approval: any }?
function M.override(manifest)
  local override = get(manifest, "safety.override")
  if type(override) ~= "table" or next(override) == nil then
    return nil
  end
  return { reason = first_of(manifest, "safety.override.reason"),
    by = first_of(manifest, "safety.override.by", "safety.override.operator"),
    at = first_of(manifest, "safety.override.at"), approval = M.approval(manifest) }
end

--- The ethics approval.
---@param manifest table
function M.approval(manifest)
  return first_of(manifest, "safety.approval", "safety.override.approval", "safety.override.approval_ref")
end

--- The findings of the safety gate.
---@param manifest table
---@return table[]
function M.findings(manifest)
  local list, found = get(manifest, "safety.findings"), {}
  for _, finding in ipairs(type(list) == "table" and list or {}) do
    found[#found + 1] = type(finding) == "table" and finding or nil
  end
  return found
end

--- The thresholds of the run's devices, where it had several and any has its own.
---@param manifest table
---@param kind "rmt"|"amt"
---@return { place: string, channels: table<string, true>, value: number, from: string? }[] from: how it was
---   found, and when
function M.own_thresholds(manifest, kind)
  local devices, list = get(manifest, "device.devices"), {}
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    local value = type(each) == "table" and text.number(get(each, "thresholds." .. kind))
    if value and value > 0 then
      local channels = {}
      for _, name in ipairs(type(each.channels) == "table" and each.channels or {}) do
        channels[tostring(name)] = true
      end
      local how, date = metas.of_threshold(kind, nil, nil, type(each.taken) == "table" and each.taken or nil)
      list[#list + 1] = { place = tostring(each.place), channels = channels, value = value,
        from = how and text.value(how) .. (date and ", " .. text.value(date) or "") }
    end
  end
  return list
end

--- A motor threshold in %MSO.
---@param manifest table
---@param kind "rmt"|"amt"
---@param channel string? of several devices the one that gave it may have its own
---@return number?
function M.threshold(manifest, kind, channel)
  for _, own in ipairs(channel and M.own_thresholds(manifest, kind) or {}) do
    if own.channels[channel] then
      return own.value
    end
  end
  local value = get(manifest, "thresholds." .. kind)
  value = type(value) == "table" and get(value, "value") or value
  value = text.number(value)
  return value and value > 0 and value or nil
end

--- The same in words, with how it was found and when, if that is on record.
---@param manifest table
---@param kind "rmt"|"amt"
---@return string?
function M.threshold_words(manifest, kind)
  local value, at = M.threshold(manifest, kind), "thresholds." .. kind
  local own = {}
  for i, each in ipairs(M.own_thresholds(manifest, kind)) do
    own[i] = ("%s %s %%MSO%s"):format(each.place, text.plain(each.value),
      each.from and (" (%s)"):format(each.from) or "")
  end
  if own[1] then
    return table.concat(own, ", ") .. (value and (", else %s %%MSO"):format(text.plain(value)) or "")
  elseif not value then
    local said = get(manifest, at)
    return said ~= nil and type(said) ~= "table" and text.value(said) or nil
  end
  local words = { text.plain(value) .. " %MSO" }
  for _, key in ipairs { ".how", ".date" } do
    local more = type(get(manifest, at)) == "table" and first_of(manifest, at .. key)
    words[#words + 1] = more and text.value(more) or nil
  end
  return table.concat(words, ", ")
end

--- What the record has of each of several devices, by their names; nil: there is one, or none has it.
---@param manifest table
---@param key string of a device
---@param words (fun(value: any): any)? what is shown of a value
---@return string?
function M.of_each(manifest, key, words)
  local devices, list, known = get(manifest, "device.devices"), {}, false
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    local value = type(each) == "table" and get(each, key)
    known = known or value ~= nil and value ~= false
    list[#list + 1] = type(each) == "table" and ("%s: %s"):format(text.value(each.place),
      text.value(words and words(value) or value)) or nil
  end
  return known and table.concat(list, "; ") or nil
end

--- The channels of those of several devices that cannot confirm a pulse, and how these are called.
---@param manifest table
---@return table<string, true> silent
---@return string[] names
function M.silent(manifest)
  local silent, names, devices = {}, {}, get(manifest, "device.devices")
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    if type(each) == "table" and each.confirms == false then
      names[#names + 1] = tostring(each.place or each.name)
      for _, channel in ipairs(type(each.channels) == "table" and each.channels or {}) do
        silent[channel] = true
      end
    end
  end
  return silent, names
end

--- How many pulses the device confirmed, or that it cannot.
---@param s table from `summary.compute`
---@return string
function M.confirmed(s)
  return s.cannot_confirm and s.confirmed == 0 and "none: this device cannot confirm pulses"
    or text.count(s.confirmed)
end

--- The channels that stimulate a nerve.
---@param manifest table
---@return table<string, true>
function M.nerves(manifest)
  local list, found = get(manifest, "protocol.nerve"), {}
  for _, name in ipairs(type(list) == "table" and list or {}) do
    if type(name) == "string" then
      found[name] = true
    end
  end
  return found
end

--- Is it an experiment? It decides as it runs: no duration and no outline is planned, so none is missing.
---@param manifest table
---@return boolean
function M.is_experiment(manifest)
  return get(manifest, "kind") == "experiment"
end

--- What pulses are that were not given yet: planned, or of a script asked for.
---@param manifest table
---@return string
function M.wanted(manifest)
  return M.is_experiment(manifest) and "asked for" or "planned"
end

--- A file's base name.
---@param path any
---@return any
function M.base_name(path)
  return type(path) == "string" and (path:match("([^/\\]+)[/\\]*$") or path) or path
end

--- The page without the folder of the run's own script, wherever a sentence names it: the page goes to
--- others, and the folder is of this machine.
---@param manifest table
---@param page string
---@return string
function M.without_folder(manifest, page)
  local file = get(manifest, "protocol.file")
  local folder = type(file) == "string" and file:match("^/.*/")
  if not folder then
    return page
  end
  folder = text.escape(folder)
  local out, from = {}, 1
  while true do
    local first, last = page:find(folder, from, true)
    out[#out + 1] = page:sub(from, first and first - 1)
    if not first then
      return table.concat(out)
    end
    from = last + 1
  end
end

local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September",
  "October", "November", "December" }

--- A time of the record as people write it: "27 November 2026, 20:52:52 (UTC+01:00)".
---@param stamp any
---@return string
function M.time(stamp)
  local words = text.value(stamp)
  local year, month, day, clock, zone = words:match(
    "^(%d%d%d%d)%-(%d%d)%-(%d%d)[T ](%d%d:%d%d:%d%d)[%.%d]*([Z+-]?[%d:]*)$")
  local name = months[tonumber(month)]
  if not name then
    return words
  end
  if zone == "Z" then
    zone = "+00:00"
  elseif zone:match("^[+-]%d%d%d%d$") then
    zone = zone:sub(1, 3) .. ":" .. zone:sub(4)
  end
  return ("%d %s %s, %s%s"):format(tonumber(day), name, year, clock,
    zone ~= "" and (" (UTC%s)"):format(zone) or "")
end

--- How long it took. In virtual and in scaled time nobody waited: what the host needed is told apart.
---@param manifest table
---@param s table from `summary.compute`
---@return string
function M.length(manifest, s)
  local elapsed = text.number(get(manifest, "result.elapsed_s"))
  if s.time ~= "virtual" and s.time ~= "scaled" then
    return text.seconds(elapsed and tonumber(("%.3f"):format(elapsed)))
  end
  local plan = text.number(get(manifest, "result.virtual.plan_s"))
  local host = elapsed and ("this computer worked %s on it"):format(text.duration_us(elapsed * 1e6))
  if not plan then
    return host and "of virtual time, not recorded; " .. host or text.missing
  end
  return ("%s of virtual time%s"):format(text.seconds(tonumber(("%.3f"):format(plan))),
    host and "; " .. host or "")
end

return M
