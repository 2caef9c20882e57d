-- What a script forgot or misspelt is an error at its line, also behind run:stop, and in the record.
local author = require "author"
local cjson = require "cjson"
local shell = require "shell"

describe("an experiment", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- Run one whose function has this body from line 4 on: status, output, errors, folder of the run.
  local function perform(body, more)
    return author.perform(folder, "local stim, pulse = run:device(), mp.pulse(mp.mso(40))", body, more)
  end

  --- It ended with this error of the script, which the manifest and the rows have too.
  local function fails(text, body, more)
    local status, _, err, run = perform(body, more)
    assert.are.equal(2, status, err)
    assert.matches(text, err, 1, true)
    local result = cjson.decode(shell.read(run .. "/manifest.json")).result
    assert.are.equal("error", result.stop)
    assert.matches(text, result.reason, 1, true)
    assert.matches("mark\t[^\n]*\terror in the script: [^\n]*" .. text:gsub("%p", "%%%0"),
      (shell.read(run .. "/events.tsv")))
  end

  it("that forgot to arm says so after run:stop as after stim:disarm", function()
    for stop, words in pairs { ["run:stop 'pause'"] = " any more (run:stop)", ["stim:disarm()"] = "" } do
      for _, call in ipairs { "play", "fire" } do
        fails(("made.lua:4: stim:%s: the stimulator is not armed%s: call stim:arm() first"):format(call,
          words), ("stim:arm() stim:fire(pulse) %s run:sleep(5) stim:%s(pulse)"):format(stop, call))
      end
    end
  end)

  it("keeps whatever error comes behind run:stop", function()
    fails("made.lua:4: broken", "stim:arm() run:stop() error 'broken'")
    fails("made.lua:4: pulse2 is not known: is it misspelt (pulse?)",
      "stim:arm() run:stop() stim:arm(pulse2)")
  end)

  it("that was only stopped ends as stopped on request", function()
    local status, _, err = perform "stim:arm() stim:fire(pulse) run:stop() run:sleep(1)"
    assert.are.equal(5, status, err)
    assert.matches("stopped on request", err, 1, true)
    status, _, err = perform [[
      run:spawn(function() run:sleep(2) run:stop "enough" end)
      stim:arm()
      while true do stim:fire(pulse) run:sleep(0.7) end
    ]]
    assert.are.equal(5, status, err)
    assert.matches("stopped on request (enough)", err, 1, true)
  end)

  it("that misspells a name sends nothing, in its own file and in those that it loads", function()
    fails("made.lua:4: wen is not known: is it misspelt (when?)",
      "stim:arm() local when = run:now() + 1 stim:fire(pulse, { at = wen })")
    fails("made.lua:4: wen is not known", "run:spawn(function() return wen end) run:sleep(1)")
    shell.write(folder .. "/own.lua", "local gap = 2\nlocal M = {}\nfunction M.gap() return gpa or gap end\n"
      .. "shared = 3\nassert(shared == 3)\nreturn M\n")
    for _, load in ipairs { "dofile(%q .. '/own.lua')", "loadfile(%q .. '/own.lua')()",
      "(function() package.path = %q .. '/?.lua;' .. package.path return require 'own' end)()" } do
      fails("own.lua:3: gpa is not known: is it misspelt (gap?)", ("local own = %s run:sleep(own.gap())")
        :format(load:format(folder)))
    end
    fails("x is not known", "load('return x')()")
  end)

  it("loads modules that are installed as they are", function()
    local status, _, err = perform "assert(require 'argparse' and require 'cjson' and require 'lfs') "
    assert.are.equal(0, status, err)
  end)

  it("whose at = is nil does not fire at once", function()
    for _, call in ipairs { "play", "fire" } do
      fails(("made.lua:4: stim:%s: {} does not say when (is its value nil?)"):format(call),
        ("stim:arm() local t = {} stim:%s(pulse, { at = t.when })"):format(call))
    end
  end)

  it("refuses a list that begins at 0, as run:shuffle would lose an entry", function()
    fails("made.lua:4: run:shuffle: the list has an entry 0", "run:shuffle { [0] = 1, 2, 3 }")
  end)

  it("shuffles by a rule, and is told at its line where none can keep it", function()
    local status, out, err = perform [[
      local list, before, row = run:shuffle({ "a", "a", "a", "a", "b", "b" }, { max_in_a_row = 2 }), nil, 0
      assert(#list == 6)
      for _, each in ipairs(list) do
        row = each == before and row + 1 or 1
        assert(row <= 2, table.concat(list))
        before = each
      end
      for _, each in ipairs { run:shuffle({ 1, 2, 3 }, { blocks = 2 }) } do
        for block = 0, 3, 3 do
          local three = table.move(each, block + 1, block + 3, 1, {})
          table.sort(three)
          assert(table.concat(three) == "123", table.concat(each))
        end
      end
    ]]
    assert.are.equal(0, status, out .. err)
    fails("made.lua:4: run:shuffle: max_in_a_row = 2 cannot be met: 5 of the 6 entries are alike (a)",
      "run:shuffle({ 'a', 'a', 'a', 'a', 'a', 'b' }, { max_in_a_row = 2 })")
  end)

  it("is told of a channel of channels= that no plan had", function()
    local on = "--device sim:pulsepal --device-option full_scale_volts=5 --device-option channels=left=1,%s=2"
    local body = "stim:arm() stim:fire(pulse:at 'left') run:sleep(1) stim:fire(pulse:at 'right')"
    local status, out, err = perform(body, on:format "right")
    assert.are.equal(0, status, err)
    assert.is_nil(out:find("CHECK THE NAMES", 1, true))
    local run
    status, out, err, run = perform("stim:arm() stim:fire(pulse:at 'left')", on:format "rigth")
    assert.are.equal(0, status, err)
    local text = 'CHECK THE NAMES: --device-option channels= names "rigth", and no plan that was played had'
    assert.matches(text, out, 1, true)
    assert.matches(text, shell.read(run .. "/events.tsv"), 1, true)
  end)
end)
