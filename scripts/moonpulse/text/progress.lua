--- What takes long shows how far it is: a bar on a terminal, a line now and then elsewhere.
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"
local term = require "term"

local M = {}

local Progress = {}
Progress.__index = Progress

local WIDTH = 40
local quiet_ns, bar_ns, line_ns = 500000000, 100000000, 10000000000

--- Nothing is shown of what is over within half a second.
---@param terminal boolean? is standard error one? nil: it is looked at
function M.new(terminal)
  if terminal == nil then
    terminal = term.isatty(io.stderr)
  end
  return setmetatable({ terminal = terminal, next_ns = core.real_ns() + quiet_ns }, Progress)
end

--- Show where it is; cheap to call often.
---@param what string "checking the guidelines"
---@param walked integer
---@param total integer
---@param of string? what is counted: "pulses"
function Progress:show(what, walked, total, of)
  local now_ns = core.real_ns()
  if now_ns < self.next_ns then
    return
  end
  local share = math.min(1, walked / math.max(1, total))
  if self.terminal then
    self.next_ns, self.shown = now_ns + bar_ns, true
    local filled = math.floor(share * WIDTH)
    io.stderr:write(("\r%s [%s%s] %3d %%\27[K"):format(what, ("#"):rep(filled), (" "):rep(WIDTH - filled),
      math.floor(share * 100)))
  else
    self.next_ns = now_ns + line_ns
    io.stderr:write(("%s: %s of %s %s\n"):format(what, numbers.count(walked), numbers.count(total),
      of or "pulses and marks"))
  end
end

--- The bar gives way to what follows.
function Progress:close()
  if self.shown then
    io.stderr:write("\r\27[K")
    self.shown = nil
  end
end

Progress.__close = Progress.close

return M
