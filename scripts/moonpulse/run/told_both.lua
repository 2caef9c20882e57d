--- Two that are told what a run does as it goes, where the record and the journal tell one.
local M = {}

local Both = {}
Both.__index = Both

for _, name in ipairs { "row", "sent", "act" } do
  Both[name] = function(self, ...)
    self.first[name](self.first, ...)
    self.second[name](self.second, ...)
  end
end

--- Tell second as well, behind first.
---@param first table? a feed, or another with its methods row, sent and act; nil: nobody is told yet
---@param second table with the same
---@return table
function M.of(first, second)
  return first and setmetatable({ first = first, second = second }, Both) or second
end

return M
