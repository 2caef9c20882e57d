--- What a run's feed says, as lines for people.
local M = {}

--- What has to be known of the lines before: that a plan began, of a protocol.
---@class moonpulse.FeedText
---@field kind string? "protocol" or "experiment"
---@field zero_s number? of a protocol, when its plan began: what onset counts from

local says = {}

--- A number as people write it, a text as it is.
local function plain(value)
  return type(value) == "number" and ("%.14g"):format(value) or tostring(value)
end

function says.hello(said)
  return ("follows %s: %s %s on %s%s"):format(said.run, said.kind, said.id, said.simulated and "simulated "
    or "", said.device)
end

says.sent = false -- its pulse has a line of its own

function says.pulse(said)
  local parts = { "pulse " .. plain(said.pulse), plain(said.intensity_mso or "n/a") .. " %MSO",
    "channel " .. plain(said.channel or "n/a"), plain(said.status) }
  if said.intensity and said.intensity_ref ~= "MSO" then
    parts[2] = ("%s (%s %%%s)"):format(parts[2], plain(said.intensity), plain(said.intensity_ref))
  end
  for _, key in ipairs { "trial", "block" } do
    parts[#parts + 1] = said[key] and ("%s %s"):format(key, plain(said[key]))
  end
  return table.concat(parts, "  ")
end

function says.mark(said)
  return "mark  " .. tostring(said.reply)
end

function says.code(said)
  local of = said.pulse and ("pulse %s  "):format(plain(said.pulse)) or ""
  return ("code %s  %s%s"):format(plain(said.reply), of, plain(said.status))
end

says["end"] = function(said)
  return ("end  %s: %s"):format(said.status or "ended", said.message or said.reason or "")
end

local order = { "verdict", "device", "name", "of", "trial", "intensity", "mep_uv", "old", "new", "unit",
  "reason", "source", "question", "answer", "takes", "text", "byte", "heard", "count", "play", "pulses",
  "refractory_s", "timeout_s", "external", "changed", "why", "what" }

--- Any other: what it says, in the order in which people read it.
local function other(said)
  local parts = { said.event }
  for _, key in ipairs(order) do
    local value = said[key]
    if type(value) == "string" or type(value) == "number" then
      parts[#parts + 1] = key == "text" and plain(value) or ("%s %s"):format(key, plain(value))
    end
  end
  return table.concat(parts, "  ")
end

--- When it was, in seconds of onset; nil: that is not known, as before a protocol's plan begins.
local function since(said, known)
  if type(said.onset) == "number" then
    return said.onset
  end
  local at_s = type(said.at_s) == "number" and said.at_s
  local zero_s = known.kind == "experiment" and 0 or known.zero_s
  return at_s and zero_s and at_s - zero_s or nil
end

--- A line for people; nil: it says nothing that another line does not.
---@param said table of the feed
---@param known moonpulse.FeedText of the lines before; changed
---@return string?
function M.line(said, known)
  if said.event == "hello" then
    known.kind = said.kind
  elseif said.event == "play" and known.kind ~= "experiment" then
    known.zero_s = known.zero_s or type(said.starts_s) == "number" and said.starts_s or nil
  end
  local say = says[said.event]
  if say == false then
    return nil
  end
  local at = since(said, known)
  return ("%s  %s"):format(at and ("%10.3f s"):format(at) or (" "):rep(12), (say or other)(said))
end

return M
