--- Values of an author's that are given to a function of mp, and are nothing else: their data is ours, and
--- what the author does to his table afterwards changes nothing.
local blame = require "moonpulse.text.author_line"

local M = {}

local data_of = setmetatable({}, { __mode = "k" })

--- A value that stands for data.
---@param kind string what it is called, and which function made it: "intervals"
---@param data table
---@param where string what it is given as, for who looks into it: "every = or gap ="
---@return table
function M.new(kind, data, where)
  local made = setmetatable({}, { __metatable = false, __index = function(_, key)
    blame.fail("%s: it is given as %s, and is no table any more: there is no [%s]", kind, where,
      tostring(key))
  end, __newindex = function()
    blame.fail("%s: it cannot be changed: change the table before mp.%s", kind, kind)
  end })
  data.kind = kind
  data_of[made] = data
  return made
end

--- The data of a value; nil: it is another value.
---@param value any
---@return table?
function M.data(value)
  return data_of[value]
end

return M
