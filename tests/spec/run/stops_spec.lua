--- The reasons to stop: one table (engine/stop.c), and what the program and its documents say of them.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"
local shell = require "shell"
local stop_words = require "moonpulse.text.stop_words"

--- The names of the enum in engine/stop.h, but the first: none.
local function names_of_the_enum()
  local body = shell.read("engine/stop.h"):match("enum mp_stop {(.-)};")
  local names = {}
  for name in body:gmatch("MP_STOP_(%u+)") do
    names[#names + 1] = name:lower()
  end
  assert.are.equal("none", table.remove(names, 1))
  assert.are.equal("count", table.remove(names))
  return names
end

--- What docs/stopping.md says: the exit status of each reason.
local function documented()
  local list = {}
  for names, status in shell.read("docs/stopping.md"):gmatch("\n|[^\n]-|%s*(`[%l`, ]+`)%s*|%s*(%d)%s*|") do
    for name in names:gmatch("`(%l+)`") do
      assert.is_true(list[name] == nil or list[name] == tonumber(status), name .. " has two statuses")
      list[name] = tonumber(status)
    end
  end
  return list
end

local function sources(pattern)
  local list, found = {}, assert(io.popen("find scripts engine bindings -type f -name '" .. pattern .. "'"))
  for path in found:lines() do
    list[#list + 1] = path
  end
  found:close()
  assert.is_true(#list > 20)
  return list
end

describe("the reasons to stop", function()
  it("are those of the engine, in its order, each by its name, too", function()
    local names = names_of_the_enum()
    assert.are.equal(#names, #core.stops)
    for i, name in ipairs(names) do
      assert.are.equal(name, core.stops[i].name)
      assert.are.equal(core.stops[i], core.stops[name])
      assert.is_true(#core.stops[name].words > 5)
    end
    for _, name in ipairs { "none", "unknown", "count", 0, #names + 1 } do
      assert.is_nil(core.stops[name])
    end
  end)

  it("cannot be changed by a script", function()
    assert.has_error(function() core.stops.late = { status = 0 } end)
    assert.has_error(function() core.stops.late.status = 0 end)
    assert.has_error(function() core.stops[1] = nil end)
    assert.has_error(function() setmetatable(core.stops, nil) end)
    assert.has_error(function() setmetatable(core.stops.late, nil) end)
    assert.are.equal(5, core.stops.late.status)
  end)

  it("have exit statuses that the program knows", function()
    local known = {}
    for _, status in pairs(refusals.status) do
      known[status] = true
    end
    for _, reason in ipairs(core.stops) do
      assert.is_true(known[reason.status], reason.name)
      assert.are.equal(reason.blame == "device", reason.status == refusals.status.fault, reason.name)
    end
    assert.are.equal(refusals.status.ok, core.stops.finished.status)
    assert.are.equal(refusals.status.usage, core.stops.error.status)
    assert.are.equal(refusals.status.stopped, core.stops.requested.status)
  end)

  it("stand in docs/stopping.md, with their statuses", function()
    local list = documented()
    for _, reason in ipairs(core.stops) do
      assert.are.equal(reason.name ~= "finished" and reason.status or nil, list[reason.name], reason.name)
      list[reason.name] = nil
    end
    assert.is_nil(next(list)) -- no others
  end)

  it("are said in the table's words, of a script in those for scripts", function()
    for _, reason in ipairs(core.stops) do
      assert.are.equal(reason.words, stop_words.words(reason.name))
      assert.are.equal(reason.scripted_words or reason.words, stop_words.words(reason.name, true))
      assert.are.equal(reason.remedy and "; " .. reason.remedy or "", stop_words.remedy(reason.name))
      local scripted = reason.scripted_remedy or reason.remedy
      assert.are.equal(scripted and "; " .. scripted or "", stop_words.remedy(reason.name, true))
    end
    assert.are.equal("of a newer version", stop_words.words "of a newer version")
    assert.are.equal("", stop_words.remedy "of a newer version")
  end)

  it("are written down once", function()
    local texts = {}
    for _, reason in ipairs(core.stops) do
      texts[#texts + 1] = reason.words
      texts[#texts + 1] = reason.scripted_words
    end
    local places = {}
    for _, pattern in ipairs { "*.lua", "*.[ch]" } do
      for _, path in ipairs(sources(pattern)) do
        local code = shell.read(path):gsub("/%*.-%*/", ""):gsub("//[^\n]*", ""):gsub("%-%-[^\n]*", "")
          :gsub('"[%s.]*"', "") -- the parts of a long text are one
        for _, text in ipairs(texts) do
          if path ~= "engine/stop.c" and code:find(text, 1, true) then
            places[#places + 1] = path .. ": " .. text
          end
        end
      end
    end
    assert.are.same({}, places)
  end)
end)
