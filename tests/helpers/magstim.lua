--- Magstim units for the specs: a simulator in virtual time, and a driver's link to it.
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local refusals = require "moonpulse.text.refusal"
local shell = require "shell"

local M = {}

function M.hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

function M.bin(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

--- data with its check byte: the sum of all bytes, the check included, ends in FF.
function M.frame(data)
  local sum = 0
  for i = 1, #data do
    sum = sum + data:byte(i)
  end
  return data .. string.char((0xFF - sum) & 0xFF)
end

-- A unit on the bench ------------------------------------------------------------------------------

local Unit = {}
Unit.__index = Unit

--- A simulated unit that was switched on at 0 s; log keeps its pulses, and all else that it did.
function M.unit(name, options)
  local simulator = require("moonpulse.simulators." .. name).new(options or {})
  return setmetatable({ simulator = simulator, now_ns = 0, log = {} }, Unit)
end

local function keep(self, replies, log)
  for _, entry in ipairs(log or {}) do
    self.log[#self.log + 1] = { event = entry.event, note = entry.note, bytes = M.hex(entry.bytes),
      at_s = (entry.at_ns or self.now_ns) / 1e9 }
  end
  local bytes = {}
  for i, reply in ipairs(replies or {}) do
    bytes[i] = reply.bytes
  end
  return table.concat(bytes)
end

--- Let seconds pass; with poll (data), it is sent every 0.4 s.
function Unit:wait(seconds, poll)
  local end_ns = self.now_ns + math.floor(seconds * 1e9 + 0.5)
  while poll and self.now_ns + 400000000 < end_ns do
    self.now_ns = self.now_ns + 400000000
    keep(self, self.simulator:receive(M.frame(poll), self.now_ns))
  end
  self.now_ns = end_ns
  return keep(self, self.simulator:tick(end_ns))
end

--- Bytes (hexadecimal) arrive, 1 ms later; the replies in hexadecimal.
function Unit:raw(text)
  self.now_ns = self.now_ns + 1000000
  return M.hex(keep(self, self.simulator:receive(M.bin(text), self.now_ns)))
end

--- A command arrives.
function Unit:say(data)
  return self:raw(M.hex(M.frame(data)))
end

--- What it did so far: the events of one kind, or all.
function Unit:events(kind)
  local list = {}
  for _, entry in ipairs(self.log) do
    if not kind or entry.event == kind then
      list[#list + 1] = entry
    end
  end
  return list
end

--- Under remote control, armed and ready.
function Unit:ready(q)
  self:say(q or "Q@")
  self:say("EB")
  self:wait(1.1, q and "x@" or "Q@")
  return self
end

-- A driver's side ----------------------------------------------------------------------------------

local Link = {}
Link.__index = Link

--- The link of a conversation: io of docs/drivers.md, against a unit in virtual time. sent keeps every
--- command in hexadecimal; spoil(bytes), if set, replaces what the unit answers.
function M.link(driver, unit)
  return setmetatable({ driver = driver, unit = unit, dialect = {}, options = driver.settings or {},
    sent = {} }, Link)
end

function Link:write(bytes)
  self.sent[#self.sent + 1] = M.hex(bytes)
  local answer = M.bin(self.unit:raw(M.hex(bytes)))
  self.buffer = self.spoil and self.spoil(bytes, answer) or answer
end

function Link:transact(bytes, want, timeout, tries, remedy)
  for _ = 1, tries or 1 do
    self:write(bytes)
    while #self.buffer > 0 do
      local reply, used = self.driver.decode(self.buffer, self.dialect)
      if used == 0 then
        break
      end
      self.buffer = self.buffer:sub(used + 1)
      if reply and (reply.name == want or type(want) == "function" and want(reply)) then
        self.unit:wait(0.02)
        return reply
      end
    end
    self.unit:wait(timeout)
  end
  self:fault("%s", remedy)
end

function Link:sleep(seconds)
  self.unit:wait(seconds)
end

function Link.fault(_, text, ...)
  refusals.fault(select("#", ...) > 0 and text:format(...) or text)
end

--- The fault that a conversation ends with.
function M.fault_of(action, ...)
  local ok, problem = pcall(action, ...)
  assert(not ok, "it did not fail")
  assert(refusals.is_fault(problem), tostring(problem))
  return problem.message
end

--- The Rapid²'s driver, configured.
---@param options table its settings
---@return moonpulse.Driver
function M.rapid(options)
  return devices.configure(assert(devices.find("rapid")), options)
end

-- Plans --------------------------------------------------------------------------------------------

--- Check a plan against a configured driver: nil, or the refusal; and the actions.
function M.refusal(driver, plan, identity, timing)
  local ok, lowering, actions = pcall(lower.prepare, { plan = plan, seed = 1, driver = driver,
    identity = identity, thresholds = {}, timing = timing or "auto" })
  if ok then
    return nil, actions, lowering
  end
  assert(type(lowering) == "table" and lowering.code == "limit", tostring(lowering))
  return lowering.message
end

--- Run a plan (Lua text) on a simulated unit, in real time unless arguments say otherwise; what moonpulse
--- said and wrote.
function M.run(folder, plan, arguments)
  local path = folder .. "/made.lua"
  shell.write(path, 'local mp = require "moonpulse"\nreturn mp.protocol { id = "made", name = "Made",\n'
    .. "plan = function()\n" .. plan .. "\nend }\n")
  local out = folder .. "/runs" .. #shell.names(folder)
  local status, said, err = shell.moonpulse(folder, ("run %s --tolerance 1000 --out %s %s"):format(path,
    out, arguments))
  local run = shell.names(out)[1]
  local result = { status = status, said = said, err = err, wire = {}, rows = {} }
  if run then
    result.wire = shell.rows(("%s/%s/twin.tsv"):format(out, run))
    result.rows = shell.rows(("%s/%s/events.tsv"):format(out, run))
  end
  return result
end

--- The bytes on the wire of a run, without what only asks; and the notes of its pulses.
function M.commands_of(run)
  local bytes, pulses = {}, {}
  for _, row in ipairs(run.wire) do
    if row.event ~= "get" and row.bytes ~= "n/a" then
      bytes[#bytes + 1] = row.bytes
    end
    if row.event == "pulse" then
      pulses[#pulses + 1] = row
    end
  end
  return bytes, pulses
end

return M
