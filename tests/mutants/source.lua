--- C and Lua as tokens, and the functions that they stand in: as much of the two languages as it takes to
--- change one token for another.
local M = {}

---@class mutants.Token
---@field kind "name"|"number"|"string"|"op"
---@field text string
---@field from integer first byte
---@field to integer last byte
---@field line integer

local operators = {
  c = { "<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=" },
  lua = { "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>" },
}

--- The end of the string, comment or directive that begins at a byte; and whether it is a string.
local function skipped(text, at, language)
  local two = text:sub(at, at + 1)
  if language == "c" then
    if two == "//" then
      return (text:find("\n", at, true) or #text + 1) - 1
    elseif two == "/*" then
      return select(2, text:find("*/", at + 2, true)) or #text
    elseif text:sub(at, at) == "#" then -- with what "\" continues
      local last = at
      repeat
        last = text:find("\n", last + 1, true) or #text + 1
      until text:sub(last - 1, last - 1) ~= "\\"
      return last - 1
    end
  else
    local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
    if level then
      return select(2, text:find("]" .. level .. "]", at, true)) or #text, two ~= "--"
    elseif two == "--" then
      return (text:find("\n", at, true) or #text + 1) - 1
    end
  end
  local quote = text:match("^[\"']", at)
  if quote then
    local last = at
    repeat
      last = text:find("[\\" .. quote .. "]", last + 1)
      local escaped = last and text:sub(last, last) == "\\"
      last = escaped and last + 1 or last
    until not last or not escaped
    return last or #text, true
  end
end

local function operator_at(text, at, language)
  for _, each in ipairs(operators[language]) do
    if text:sub(at, at + #each - 1) == each then
      return each
    end
  end
  return text:sub(at, at)
end

--- What begins at a byte that begins no string and no comment: its text and kind, or a blank.
local function word_at(text, at, language)
  local word = text:match("^[%a_][%w_]*", at)
  if word then
    return word, "name"
  end
  word = text:match("^%d[%w_%.]*", at) or text:match("^%.%d[%w_]*", at)
  if word then
    local exponent = word:find("^[%d.]+[eE]$") and text:match("^[+-]%d+", at + #word) or ""
    return word .. exponent, "number"
  elseif text:find("^%S", at) then
    return operator_at(text, at, language), "op"
  end
  return " "
end

--- The tokens of a source, without comments and directives.
---@param text string
---@param language "c"|"lua"
---@return mutants.Token[]
function M.tokens(text, language)
  local list, at, line = {}, 1, 1
  while at <= #text do
    local last, is_string = skipped(text, at, language)
    local kind = is_string and "string" or nil
    if not last then
      local word
      word, kind = word_at(text, at, language)
      last = at + #word - 1
    end
    if kind then
      list[#list + 1] = { kind = kind, text = text:sub(at, last), from = at, to = last, line = line }
    end
    line = line + select(2, text:sub(at, last):gsub("\n", ""))
    at = last + 1
  end
  return list
end

local opens = { ["("] = ")", ["["] = "]", ["{"] = "}" }
local closes = { [")"] = true, ["]"] = true, ["}"] = true }

--- Of each bracket that opens, the token that closes it.
---@param tokens mutants.Token[]
---@return table<integer, integer> by the number of the token
---@return table<integer, integer> of each token the innermost bracket that is open there
function M.pairs_of(tokens)
  local matching, within, open = {}, {}, {}
  for i, token in ipairs(tokens) do
    within[i] = open[#open]
    if token.kind == "op" and opens[token.text] then
      open[#open + 1] = i
    elseif token.kind == "op" and closes[token.text] and #open > 0 then
      local from = table.remove(open)
      matching[from], matching[i] = i, from
    end
  end
  return matching, within
end

local lua_opens = { ["function"] = true, ["if"] = true, ["do"] = true, ["repeat"] = true }
local lua_closes = { ["end"] = true, ["until"] = true }

local function lua_functions(tokens)
  local found, open = {}, {}
  for i, token in ipairs(tokens) do
    if token.kind == "name" and lua_opens[token.text] then
      open[#open + 1] = { word = token.text, first = i }
    elseif token.kind == "name" and lua_closes[token.text] then
      local block = table.remove(open)
      if block.word == "function" then
        found[#found + 1] = { first = block.first, last = i }
      end
    end
  end
  return found
end

--- As clang-format leaves them: the braces of a function, and of nothing else, are the first of their lines.
local function c_functions(tokens, text)
  local found, matching = {}, M.pairs_of(tokens)
  for i, token in ipairs(tokens) do
    if token.text == "{" and text:sub(token.from - 1, token.from - 1) == "\n" then
      local first = i
      while first > 1 and tokens[first - 1].text ~= "}" and tokens[first - 1].text ~= ";" do
        first = first - 1
      end
      found[#found + 1] = { first = first, open = i, last = matching[i] }
    end
  end
  return found
end

--- The functions of a source, also within functions: the numbers of their first and last tokens; of C, "open"
--- is the brace.
---@param tokens mutants.Token[]
---@param text string
---@param language "c"|"lua"
---@return { first: integer, last: integer, open: integer? }[]
function M.functions(tokens, text, language)
  return language == "c" and c_functions(tokens, text) or lua_functions(tokens)
end

--- What a place of a source stands in: the outermost function about it, or the paragraph.
---@param text string
---@param at integer a byte
---@param spans { from: integer, to: integer }[] of functions, in bytes
---@return integer from
---@return integer to
function M.surroundings(text, at, spans)
  local from, to
  for _, span in ipairs(spans) do
    if span.from <= at and at <= span.to and (not from or span.from < from) then
      from, to = span.from, span.to
    end
  end
  if from then
    return from, to
  end
  from, to = 1, #text
  local gap = 1
  while gap do
    local first, last = text:find("\n\n", gap, true)
    if first and last < at then
      from = last + 1
    elseif first then
      to = first
      break
    end
    gap = last
  end
  return from, to
end

return M
