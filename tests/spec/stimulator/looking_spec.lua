--- Who waits for what a device says goes on at the instant at which it is known, not at the next look: at the
--- reply, at the end of leaving, and where nothing comes at the deadline.
local core = require "moonpulse.core"
local leaving = require "moonpulse.stimulator.leaving"
local replies = require "moonpulse.stimulator.replies"
local setting = require "moonpulse.stimulator.setting"
local unanswered = require "moonpulse.stimulator.unanswered"

local MS = 1000000
local AT_S = 0.0335 -- between two looks of 2, 20 and 50 ms

--- A stimulator as far as who waits asks it, with a pulse that is open.
local function stimulator()
  local self
  local driver = { reply_timeout = 0.2, encode = { set = function() return "x", 0 end },
    limits = function() return {} end }
  self = { driver = driver, link = { write = function() end }, record = {}, lookers = {}, last = {},
    stopped = "finished", settles_ns = 0, sent_ns = core.clock_ns(), open = true }
  self.listening = { told = {}, safe_ns = self.sent_ns, tell = function() return 0 end,
    before = function(_, action) return action end, settled = function() return not self.open end,
    hear = function() self.open = false end, unsettled = function() return "unsettled" end }
  function self.record.oldest_open()
    if self.open then
      return 1, self.sent_ns, false, { channel = "1" }
    end
  end
  return self
end

--- In virtual time: when call(stimulator) was over, in ms from its beginning, where a reply comes after
--- reply_s; nil: none comes.
local function over_ms(reply_s, call)
  core.go_virtual(0)
  local _ <close> = setmetatable({}, { __close = core.go_real })
  local self = stimulator()
  local began_ns = core.clock_ns()
  if reply_s then
    core.spawn(function()
      core.wait(reply_s)
      replies.reply(self, {}, core.clock_ns())
    end)
  end
  call(self)
  return (core.clock_ns() - began_ns) / MS, self
end

describe("who waits for a device", function()
  it("goes on at the reply that confirms the last pulse before the device was left", function()
    local ms, self = over_ms(AT_S, unanswered.await)
    assert.are.equal(AT_S * 1000, ms)
    assert.is_nil(self.fault)
  end)

  it("finds that pulse missing when it is, not at a later look", function()
    local ms, self = over_ms(nil, unanswered.await)
    assert.is_true(ms > 200 and ms < 200.01, ms)
    assert.is_truthy(self.fault:find("was not confirmed within 0.2 s", 1, true), self.fault)
  end)

  it("goes on when another has left the device, however that ended", function()
    local began_ms = {}
    over_ms(nil, function(self)
      local from_ns = core.clock_ns()
      function self.link.resume()
        began_ms[#began_ms + 1] = (core.clock_ns() - from_ns) / MS
        core.wait(AT_S)
        error("not left", 0)
      end
      core.spawn(function() pcall(leaving.leave, self) end)
      core.wait(0.001)
      pcall(leaving.leave, self)
    end)
    assert.are.equal(2, #began_ms)
    assert.are.equal(AT_S * 1000, began_ms[2] - began_ms[1])
  end)

  it("sets a device when nothing plays on it any more, not at a later look", function()
    local free_ms = 33.7
    local told_ms
    over_ms(nil, function(self)
      local from_ns = core.clock_ns()
      local first = { output = 0, action = { mso = 30 } }
      self.stopped = nil
      self.last = { [0] = { action = { locked = free_ms / 1000 }, fired_ns = from_ns, at_ns = from_ns } }
      self.driver.load = function()
        told_ms = (core.clock_ns() - from_ns) / MS
        error("enough", 0)
      end
      pcall(setting.set, self, { first }, { first.action })
    end)
    assert.are.equal(free_ms, told_ms)
  end)
end)
