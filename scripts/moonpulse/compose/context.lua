--- What holds while a protocol's plan is made: the seed that orders are drawn from, and the
--- intensity that a sham gives to every pulse.
local core = require "moonpulse.core"

local M = {}

---@alias moonpulse.Arrange fun(list: any[], rule: moonpulse.OrderRule?): any[] what a list that is shuffled
---   becomes; with a rule, list has the entries of all its blocks

local current -- nil: no plan is being made
local loading -- the folder of the file that is being loaded; false: it has none of its author's; nil: none is
local script_folder -- of the experiment that goes on

--- Call with context in force; returns what limited returns. A context inside another one (a sham that makes
--- its active protocol) has its own count of draws.
---@param context { seed: integer, intensity: moonpulse.Intensity?, arrange: moonpulse.Arrange?,
---   folder: string? } folder: of the protocol's file, where it is its author's; arrange: what a list that is
---   shuffled becomes, instead of a drawn order: for who looks at all of them
---@param limited fun(call: function, ...): boolean, ... calls like pcall: call of moonpulse.protocol.sandbox
---@param call function
function M.with(context, limited, call, ...)
  local before, outer = current, loading
  loading = nil
  current = { seed = context.seed, intensity = context.intensity, orders = 0,
    arrange = context.arrange or before and before.arrange, folder = context.folder }
  local results = table.pack(limited(call, ...))
  context.drawn, context.sham = current.orders > 0, current.sham
  current, loading = before, outer
  if before and context.drawn then
    before.orders = before.orders + 1
  end
  return table.unpack(results, 1, results.n)
end

--- The seed in force; nil outside of a plan function.
---@return integer?
function M.seed()
  return current and current.seed
end

--- The plan that is made has a sham of that protocol in it.
---@param name string
function M.note_sham(name)
  if current then
    current.sham = name
  end
end

--- Call while a file is being loaded: what it names lies beside it. Returns what limited returns.
---@param folder string? of the file, where it is its author's
---@param limited fun(call: function): boolean, ... calls like pcall
---@param call function
function M.load_in(folder, limited, call)
  local outer = loading
  loading = folder or false
  local results = table.pack(limited(call))
  loading = outer
  return table.unpack(results, 1, results.n)
end

--- An experiment goes on from here: what its script names lies beside it.
---@param folder string? nil: it has no file
function M.script_in(folder)
  script_folder = folder
end

--- Is a protocol's file loaded, or its plan made? Else a script goes on, which may read what it has written.
---@return boolean
function M.is_making()
  return current ~= nil or loading ~= nil
end

--- The folder of the author's file whose plan is made, or that is loaded, or whose script goes on; nil: a
--- shipped protocol, or no file.
---@return string?
function M.folder()
  if loading ~= nil then
    return loading or nil
  end
  return current and current.folder or not current and script_folder or nil
end

--- What every pulse gets instead of its own intensity; nil: its own.
---@return moonpulse.Intensity?
function M.intensity()
  return current and current.intensity
end

--- The list in the order that somebody chose for it; nil: the order is drawn.
---@param list any[]
---@param rule moonpulse.OrderRule? that its author gave
---@return any[]?
function M.arranged(list, rule)
  if current and current.arrange then
    current.orders = current.orders + 1
    return current.arrange(list, rule)
  end
end

--- A source of draws for one order: draw(range) is uniform in 0 to range. The draws of the n-th
--- order of a plan are core.draw(seed, n * 2^32 + i, range) for i = 1, 2, ...: the same plan and
--- seed give the same order on every machine. nil outside of a plan function.
---@return (fun(range: integer): integer)?
function M.order()
  if not current then
    return nil
  end
  current.orders = current.orders + 1
  local seed, position = current.seed, current.orders << 32
  return function(range)
    position = position + 1
    return core.draw(seed, position, range)
  end
end

--- Is a value one of mp.intervals, mp.normal or mp.weighted? What makes them is not loaded for other plans.
---@param value any
---@return "intervals"|"drawn"|nil
function M.sealed_kind(value)
  if type(value) ~= "table" or getmetatable(value) ~= false then
    return nil
  end
  local data = require("moonpulse.compose.sealed").data(value)
  return data and (data.kind == "intervals" and "intervals" or "drawn") or nil
end

return M
