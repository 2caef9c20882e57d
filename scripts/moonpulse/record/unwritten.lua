--- In place of events.tsv: what a record would write there, for whoever only wants to know it. If a file is
--- named that it most likely is, it is held against that while it comes, and only what is from the first
--- difference on is kept: a million rows are 100 MB.
local lfs = require "lfs"

local M = {}

---@class moonpulse.Unwritten
---@field like string? the file's path
---@field file file*? that file; nil: there is none, or something differs from it
---@field same integer so many bytes are the same as there
---@field parts string[] what came behind them
local Unwritten = {}
Unwritten.__index = Unwritten

--- Nothing was written yet.
---@param like string? a file that it most likely is
---@return moonpulse.Unwritten
function M.new(like)
  local file = like and lfs.symlinkattributes(like, "mode") == "file" and io.open(like, "rb") or nil
  return setmetatable({ like = like, file = file, same = 0, parts = {} }, Unwritten)
end

--- The bytes that were the same as the file's.
local function same_bytes(self)
  local file <close> = self.same > 0 and io.open(self.like, "rb") or nil
  return file and file:read(self.same) or ""
end

--- From here on it is another one.
local function leave(self)
  self.file:close()
  self.file = nil
  self.parts[1] = same_bytes(self)
end

--- As of a file: all parts are taken.
---@param ... string
---@return true
function Unwritten:write(...)
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if self.file and part ~= "" and self.file:read(#part) ~= part then
      leave(self)
    end
    if self.file then
      self.same = self.same + #part
    else
      self.parts[#self.parts + 1] = part
    end
  end
  return true
end

--- As of a file: nothing has to be done.
function Unwritten.setvbuf() end

--- As of a file: nothing has to be done.
---@return true
function Unwritten.flush()
  return true
end

--- As of a file: no more is written; what was can still be asked.
---@return true
function Unwritten.close()
  return true
end

--- Is all that was written what is in the file, and does that end there?
---@return boolean
function Unwritten:is_like()
  return self.file ~= nil and self.file:read(0) == nil
end

--- All that was written.
---@return string
function Unwritten:text()
  if self.file then
    leave(self)
  end
  return table.concat(self.parts)
end

return M
