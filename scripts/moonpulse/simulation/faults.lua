--- Faults of a simulator: what goes wrong between its model and the wire.
---
--- A fault is written KIND@N: it happens at the N-th pulse command that the device obeys (log
--- event "pulse"), counted from 1. Kinds that need no pulse may be there from the start: @0.
--- The first eight work on bytes and suit every simulator; two ask the model: t:fault(kind). The last two
--- count settings (log event "set") instead of pulses, those of arming too: what becomes of the N-th on its
--- way.
local M = {}

local DELAY_NS = 1500000000
local SPLIT_NS = 30000000
local NAK = "\x15" -- no stimulator we know sends it: it stands for any answer that is no frame

--- In the order of the help text. `reply`: happens to the reply; `start`: may be there from @0.
M.kinds = {
  { name = "drop", reply = true, help = "the pulse's reply never comes" },
  { name = "flip", reply = true, help = "one bit of the reply is flipped" },
  { name = "duplicate", reply = true, help = "the reply comes twice" },
  { name = "split", reply = true, help = "the reply comes in two pieces, 30 ms apart" },
  { name = "delay", reply = true, help = "the reply comes 1.5 s late" },
  { name = "nak", reply = true, help = "the device answers with a byte that is no frame" },
  { name = "unplug", help = "the port disappears" },
  { name = "half-open", start = true, help = "the device neither hears nor answers any more" },
  { name = "over-temperature", start = true, model = true, help = "the coil is at its limit" },
  { name = "stuck-armed", start = true, model = true, help = "the device ignores disable" },
  { name = "lose-setting", setting = true, help = "the N-th setting, those of arming too, never arrives" },
  { name = "garble-setting", setting = true, help = "the N-th setting arrives with one bit flipped" },
}

local by_name, names = {}, {}
for i, kind in ipairs(M.kinds) do
  by_name[kind.name] = kind
  names[i] = kind.name
end

--- The kinds in one sentence, for help texts.
---@return string
function M.describe()
  local list = {}
  for i, kind in ipairs(M.kinds) do
    list[i] = ("%s (%s)"):format(kind.name, kind.help)
  end
  return table.concat(list, ", ")
end

local function parse_one(text)
  local name, number = text:match("^%s*([%a-]+)@(%d+)%s*$")
  local kind = by_name[name or text:match("^%s*([%a-]+)")]
  local at = math.tointeger(tonumber(number))
  if not kind then
    return nil, ("%q is no fault: write KIND@N, like drop@4; the kinds are %s"):format(text,
      table.concat(names, ", "))
  elseif not at then
    return nil, ("the fault %q does not say when: write %s@N, where N is the pulse, from 1"):format(
      text, kind.name)
  elseif at == 0 and not kind.start then
    return nil, ("the fault %q needs a %s: N counts from 1"):format(text,
      kind.setting and "setting" or "pulse")
  end
  return { kind = kind.name, at = at }
end

--- Read "kind@n,kind@n".
---@param text string
---@return { kind: string, at: integer }[]? list with its text as `text`
---@return string? message
function M.parse(text)
  local list = { text = text }
  for part in (text .. ","):gmatch("([^,]*),") do
    local fault, message = parse_one(part)
    if not fault then
      return nil, message
    end
    list[#list + 1] = fault
  end
  return list
end

--- The same, where it may be of one of several simulators: "left=kind@n,kind@n".
---@param text string
---@return { kind: string, at: integer, place: string? }[]? list likewise, with its place
---@return string? message
function M.parse_of_one(text)
  local place, rest = text:match "^([%w_%-]+)=(.*)$"
  local list, message = M.parse(rest or text)
  if list then
    list.place = place
  end
  return list, message
end

--- One bit turned over.
---@param bytes string
---@param bit integer from 0, the lowest bit of the first byte
function M.flip(bytes, bit)
  local place = bit // 8 + 1
  return bytes:sub(1, place - 1) .. string.char(bytes:byte(place) ~ (1 << bit % 8))
    .. bytes:sub(place + 1)
end

-- What becomes of one reply: functions (self, reply) -> replies.
local on_reply = {
  drop = function()
    return {}
  end,
  flip = function(_, reply)
    local bit = #reply.bytes * 8 // 2 -- in the middle: a length that lies would only be slower
    return { { at_ns = reply.at_ns, bytes = M.flip(reply.bytes, bit) } }
  end,
  duplicate = function(_, reply)
    return { reply, { at_ns = reply.at_ns, bytes = reply.bytes } }
  end,
  split = function(self, reply)
    local half = #reply.bytes // 2
    self.not_before_ns = reply.at_ns + SPLIT_NS -- nothing comes between the pieces
    return { { at_ns = reply.at_ns, bytes = reply.bytes:sub(1, half) },
      { at_ns = self.not_before_ns, bytes = reply.bytes:sub(half + 1) } }
  end,
  delay = function(_, reply)
    return { { at_ns = reply.at_ns + DELAY_NS, bytes = reply.bytes } }
  end,
  nak = function(_, reply)
    return { { at_ns = reply.at_ns, bytes = NAK } }
  end,
}

-- What becomes of a setting on its way to the device.
local on_setting = {
  ["lose-setting"] = function() return "" end,
  ["garble-setting"] = function(bytes) return M.flip(bytes, #bytes * 8 // 2) end,
}

local Faults = {}
Faults.__index = Faults

--- The faults of a simulator.
---@param list table from parse
---@param simulator moonpulse.Simulator if it reports_later, its reply to a pulse has `confirms`
---@param probe table? a second simulator, switched on like the first: it is asked which bytes are a setting
---@return table? faults with `gone` (unplugged) and `silent` (half-open)
---@return string? message
function M.new(list, simulator, probe)
  local settings = false
  for _, fault in ipairs(list) do
    if by_name[fault.kind].model and not (simulator.faults and simulator.faults[fault.kind]) then
      return nil, ("this simulator has no fault %q"):format(fault.kind)
    end
    settings = settings or on_setting[fault.kind] ~= nil
  end
  return setmetatable({ list = list, simulator = simulator, probe = settings and probe or nil, settings = 0,
    pulses = 0, not_before_ns = 0, waiting = {} }, Faults)
end

local function append(list, more)
  for _, entry in ipairs(more or {}) do
    list[#list + 1] = { at_ns = entry.at_ns, bytes = entry.bytes, event = entry.event,
      note = entry.note, confirms = entry.confirms, given = entry.given }
  end
end

local function place_of(list, wanted)
  for i, entry in ipairs(list) do
    if entry == wanted then
      return i
    end
  end
end

--- Put what becomes of a reply in its place; what follows comes after it.
local function replace(self, replies, reply, change)
  local place = place_of(replies, reply)
  table.remove(replies, place)
  for _, piece in ipairs(change(self, reply)) do
    table.insert(replies, place, piece)
    place = place + 1
  end
  for i = place, #replies do
    replies[i].at_ns = math.max(replies[i].at_ns, self.not_before_ns)
  end
end

--- One fault happens; `reply` is the pulse's own, if there is a pulse.
local function strike(self, kind, out, reply, now_ns)
  local change = on_reply[kind]
  if change and self.simulator.reports_later and not (reply and reply.confirms) then
    self.waiting[#self.waiting + 1] = kind
    return
  elseif change and not reply then -- a pulse of a burst that is reported as a whole: its report, then
    self.list[#self.list + 1] = { kind = kind, at = self.pulses + 1 }
    return
  elseif change and not place_of(out.replies, reply) then
    return -- an earlier fault has taken it
  end
  out.log[#out.log + 1] = { event = "fault", bytes = change and reply.bytes or "", note = kind,
    at_ns = now_ns }
  if change then
    replace(self, out.replies, reply, change)
  elseif kind == "unplug" then
    self.gone = true
  elseif kind == "half-open" then
    self.silent = true
  else
    local replies, log = self.simulator:fault(kind, now_ns)
    append(out.replies, replies)
    append(out.log, log)
  end
end

local function strike_all(self, at, out, reply, now_ns)
  for _, fault in ipairs(self.list) do
    if fault.at == at and not on_setting[fault.kind] then
      strike(self, fault.kind, out, reply, now_ns)
    end
  end
end

--- The faults that are there from the start.
---@param now_ns integer of the simulator's clock
---@return table[] replies
---@return table[] log
function Faults:begin(now_ns)
  local out = { replies = {}, log = {} }
  strike_all(self, 0, out, nil, now_ns)
  return out.replies, out.log
end

--- The setting that the probe, given bytes one by one, has obeyed with the last one; nil: none.
local function obeyed(log)
  for _, entry in ipairs(log or {}) do
    if entry.event == "set" and not (entry.note or ""):find("^train started") then
      return entry.bytes
    end
  end
end

--- What of bytes, which are on their way, reaches the model at now_ns.
---@param bytes string
---@param now_ns integer
---@return string bytes
---@return table[] log
function Faults:hear(bytes, now_ns)
  local log = {}
  if not self.probe then
    return bytes, log
  end
  local arrives = ""
  for i = 1, #bytes do
    arrives = arrives .. bytes:sub(i, i)
    local setting = obeyed((select(2, self.probe:receive(bytes:sub(i, i), now_ns))))
    self.settings = self.settings + (setting and 1 or 0)
    for _, fault in ipairs(setting and self.list or {}) do
      local change = fault.at == self.settings and on_setting[fault.kind]
      if change and arrives:sub(-#setting) == setting then
        arrives = arrives:sub(1, -#setting - 1) .. change(setting)
        log[#log + 1] = { event = "fault", bytes = setting, note = fault.kind, at_ns = now_ns }
      end
    end
  end
  return arrives, log
end

--- What the model answered and logged in one call, with the faults in it. The first reply is the
--- first pulse's, the second the second's; what else a pulse brings about comes after these.
---@param replies moonpulse.SimulatorReply[]?
---@param log moonpulse.SimulatorEvent[]?
---@return table[] replies
---@return table[] log
function Faults:pass(replies, log)
  local out, own, pulse = { replies = {}, log = {} }, {}, 0
  append(out.replies, replies)
  for i, reply in ipairs(out.replies) do
    reply.at_ns = math.max(reply.at_ns, self.not_before_ns)
    own[i] = reply
  end
  local entries = {}
  append(entries, log) -- the model uses its list again when it is asked for a fault
  for _, entry in ipairs(entries) do
    out.log[#out.log + 1] = entry
    if entry.event == "pulse" then
      pulse, self.pulses = pulse + 1, self.pulses + 1
      strike_all(self, self.pulses, out, own[pulse], entry.at_ns)
    end
  end
  for _, reply in ipairs(own) do
    if reply.confirms and self.waiting[1] then
      strike(self, table.remove(self.waiting, 1), out, reply, reply.at_ns)
    end
  end
  if self.gone or self.silent then
    out.replies = {}
  end
  return out.replies, out.log
end

return M
