--- What a plan gives, walked, and what an author is told who wrote one wrongly: for the specs of compose.
local assert = require "luassert"
local core = require "moonpulse.core"

local M = {}

--- All events of a plan: { kind, ns, us, number, channel/intensity text or mark text }.
function M.events(plan, seed)
  local schedule = core.schedule(plan, seed or 1)
  local actions, list = schedule:actions(), {}
  while true do
    local kind, us, number, what, ns = schedule:next()
    if not kind then
      return list
    end
    local action = kind == "pulse" and actions[what]
    list[#list + 1] = {
      kind = kind, us = us, ns = ns, number = number,
      what = action and ("%s:%g%s"):format(action.channel, action.intensity, action.reference)
        or what,
    }
  end
end

function M.onsets(plan, seed)
  local list = {}
  for i, event in ipairs(M.events(plan, seed)) do
    list[i] = event.ns
  end
  return list
end

function M.whats(plan)
  local list = {}
  for i, event in ipairs(M.events(plan)) do
    list[i] = event.what
  end
  return list
end

--- The plan's end in whole nanoseconds, walked (not the closed form).
function M.span_ns(plan, seed)
  local _, _, _, end_ns = core.schedule(plan, seed or 1):measure()
  return end_ns
end

function M.ms(...)
  local list = { ... }
  for i, value in ipairs(list) do
    list[i] = math.tointeger(value * 1000000)
  end
  return list
end

function M.assert_same_plan(a, b, seed)
  assert.are.same(M.events(a, seed), M.events(b, seed))
  assert.are.equal(M.span_ns(a, seed), M.span_ns(b, seed))
  local x, y = a:totals(), b:totals()
  for _, key in ipairs { "pulses", "marks", "first", "last", "span", "span_max", "whole" } do
    assert.are.equal(x[key], y[key], key)
  end
end

--- call, written on one line, must raise a message that starts with its file and that line,
--- and holds every text given.
function M.refused(call, ...)
  local written = debug.getinfo(call, "S")
  local ok, message = pcall(call)
  assert.is_false(ok, "nothing was refused")
  assert.is_string(message)
  local place = ("%s:%d: "):format(written.short_src, written.linedefined)
  assert.are.equal(place, message:sub(1, #place), "the place in: " .. message)
  for _, text in ipairs { ... } do
    assert.is_truthy(message:find(text, 1, true), ("%q is not in: %s"):format(text, message))
  end
end

return M
